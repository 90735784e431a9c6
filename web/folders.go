package web

import (
	"context"
	"errors"
	"html/template"
	"io"
	"net/http"
	"time"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
	"github.com/sekisho-mail/sekisho/linkify"
	"github.com/sekisho-mail/sekisho/web/signin"
)

// folderRoutes are the pages of those who ask people outside for files.
func (st *staff) folderRoutes() []route {
	return []route{
		{method: get, path: "/folders", need: member, do: st.folders},
		{method: post, path: "/folders", need: member, do: st.createFolder},
		{method: get, path: "/folders/:id", need: folderActed, do: st.folder},
		{method: post, path: "/folders/:id/invite", need: folderOwned, do: st.inviteToFolder},
		{method: post, path: "/folders/:id/close", need: folderActed, do: st.closeFolder},
		{method: post, path: "/folders/:id/extend", need: folderOwned, do: st.extendFolder},
		{method: post, path: "/folders/:id/files/:file/delete", need: folderActed, do: st.deleteUpload},
		{method: get, path: "/folders/:id/files/:file", need: folderOwned, do: st.takeUpload, streams: true},
	}
}

// Invitation asks somebody outside for files, in the name of the person who opened the folder.
type Invitation struct {
	Person  mailaddr.Address
	Name    string
	To      mailaddr.Address
	Title   string
	Note    string
	Address string // of the folder
	Until   time.Time
}

// foldersPage lists folders and has the form for a new one.
type foldersPage struct {
	Rows    []linkify.Folder
	Next    template.URL
	All     bool
	MayAll  bool
	Soonest time.Time
	Latest  time.Time
	Usual   time.Time
}

const usualFolderLife = 14

// folders lists the reader's own folders; administrators may look at everybody's.
func (st *staff) folders(ctx context.Context, r *Request) (Response, error) {
	body := foldersPage{MayAll: r.Who.Has(signin.Admin), Soonest: r.Now, Latest: r.Now.Add(longestExtension), Usual: r.Now.AddDate(0, 0, usualFolderLife)}
	body.All = body.MayAll && r.Query("all") == "1"
	who := r.Who.Person.Address.Key()
	if body.All {
		who = ""
	}
	var err error
	if body.Rows, err = st.Links.Folders(ctx, who, linkify.Page{After: r.Query("after"), Limit: linksOnAPage}); err != nil {
		return nil, err
	}
	if len(body.Rows) == linksOnAPage {
		body.Next = older(r, body.Rows[len(body.Rows)-1].ID, "all")
	}
	if body.All { // what is asked for is content
		for i := range body.Rows {
			if !r.Who.Person.Is(body.Rows[i].Person) {
				body.Rows[i].Title, body.Rows[i].For = "", ""
			}
		}
	}
	return st.show(ctx, r, "folders", "/folders", body)
}

// createFolder opens a folder, and leads to it.
func (st *staff) createFolder(ctx context.Context, r *Request) (Response, error) {
	until, err := st.dayOf(r, "until")
	if err != nil || r.Form("title") == "" {
		return nil, errBadForm
	}
	t := linkify.FolderTerms{Person: r.Who.Person.Address, Name: r.Who.Person.Called(), Title: r.Form("title"), Until: until}
	if a := r.Form("for"); a != "" {
		if t.For, err = mailaddr.Parse(a, true); err != nil {
			return nil, errBadForm
		}
	}
	f, err := st.Links.NewFolder(ctx, t, linkActor(r))
	if errors.Is(err, linkify.ErrTooLong) {
		return nil, errBadForm
	}
	if err != nil {
		return nil, err
	}
	return doneAt("/folders/"+f.ID, "folder_open"), nil
}

func (st *staff) dayOf(r *Request, field string) (time.Time, error) {
	return time.ParseInLocation(time.DateOnly, r.Form(field), st.Company.Zone)
}

// oneFolder is a folder with what has arrived.
type oneFolder struct {
	linkify.Folder
	Own     bool // names and titles are content: an administrator sees states and sizes
	Soonest time.Time
	Latest  time.Time
	Note    int // most characters of a note
}

// noteMost is how much a person may write into an invitation: it is a line, the letter is theirs to write.
const noteMost = 500

func (st *staff) folder(ctx context.Context, r *Request) (Response, error) {
	body := oneFolder{Folder: *r.Folder, Own: r.Who.Person.Is(r.Folder.Person), Soonest: r.Now, Latest: r.Now.Add(longestExtension), Note: noteMost}
	return st.show(ctx, r, "onefolder", "/folders", body)
}

// inviteToFolder sends the address of a folder. The mail is the person's own and goes the way of all their mail:
// it is inspected, and waits where the policy says so.
func (st *staff) inviteToFolder(ctx context.Context, r *Request) (Response, error) {
	to, err := mailaddr.Parse(r.Form("to"), true)
	note := r.Form("note")
	if err != nil || len([]rune(note)) > noteMost || r.Folder.State != linkify.FolderOpen {
		return nil, errBadForm
	}
	if err := st.Links.Invites(ctx, r.Folder.ID, to, linkActor(r)); err != nil {
		return nil, err
	}
	err = st.Invite(ctx, Invitation{Person: r.Folder.Person, Name: r.Folder.Name, To: to, Title: r.Folder.Title, Note: note,
		Address: r.Folder.Address, Until: r.Folder.ExpiresAt})
	if err != nil {
		return nil, err
	}
	return doneAt("/folders/"+r.Folder.ID, "folder_invited"), nil
}

func (st *staff) closeFolder(ctx context.Context, r *Request) (Response, error) {
	err := st.Links.CloseFolder(ctx, r.Folder.ID, linkActor(r))
	if err != nil && !errors.Is(err, linkify.ErrFolderClosed) { // a second press finds what it wanted
		return nil, err
	}
	return doneAt("/folders/"+r.Folder.ID, "folder_closed"), nil
}

func (st *staff) extendFolder(ctx context.Context, r *Request) (Response, error) {
	until, err := st.dayOf(r, "until")
	if err != nil {
		return nil, errBadForm
	}
	err = st.Links.ExtendFolder(ctx, r.Folder.ID, until, linkActor(r))
	if errors.Is(err, linkify.ErrTooLong) {
		return nil, errBadForm
	}
	if err != nil {
		return nil, err
	}
	return doneAt("/folders/"+r.Folder.ID, "folder_extended"), nil
}

func (st *staff) deleteUpload(ctx context.Context, r *Request) (Response, error) {
	err := st.Links.DeleteUpload(ctx, r.Folder.ID, r.Param("file"), linkActor(r))
	if err != nil && !errors.Is(err, linkify.ErrGone) {
		return nil, err
	}
	return doneAt("/folders/"+r.Folder.ID, "folder_deleted"), nil
}

// takeUpload hands a file to the owner of the folder, as something to be saved and nothing else.
func (st *staff) takeUpload(ctx context.Context, r *Request) (Response, error) {
	c, err := st.Links.Take(ctx, r.Folder.ID, r.Param("file"))
	if err != nil {
		return nil, err
	}
	return &received{c}, nil
}

type received struct{ content *linkify.Received }

func (d *received) write(s *site, w http.ResponseWriter, r *Request) error {
	setSaved(w.Header(), d.content.Name)
	w.Header().Set("ETag", `"`+d.content.SHA256+`"`)
	out := s.newPatient(w, func(int64) {})
	http.ServeContent(out, oneRange(r.Request), "", d.content.Stored, io.NewSectionReader(d.content, 0, d.content.Size))
	return errors.Join(d.content.Close(), out.failed)
}
