package approval

import (
	"fmt"

	"github.com/sekisho-mail/sekisho/internal/yamlfile"
)

type yamlPeople struct {
	People []yamlPerson `yaml:"people"`
	Shared []yamlShared `yaml:"shared_addresses"`
}

type yamlPerson struct {
	Address    string       `yaml:"address"`
	Aliases    []string     `yaml:"aliases"`
	SendAs     []string     `yaml:"send_as"`
	Name       string       `yaml:"name"`
	Department string       `yaml:"department"`
	Manager    string       `yaml:"manager"`
	Deputies   []yamlDeputy `yaml:"deputies"`
	Groups     []string     `yaml:"groups"`
	Language   string       `yaml:"language"`
}

type yamlShared struct {
	Address string   `yaml:"address"`
	Members []string `yaml:"members"`
}

// yamlDeputy is a plain address, or a mapping when it has dates.
type yamlDeputy struct {
	Address string `yaml:"address"`
	From    string `yaml:"from"`
	Until   string `yaml:"until"`
}

// UnmarshalText reads the plain form.
func (d *yamlDeputy) UnmarshalText(text []byte) error {
	d.Address = string(text)
	return nil
}

func readYAML(text []byte) (people, shared []entry, problems []Problem) {
	var in yamlPeople
	file := yamlfile.Read(text, &in)
	for _, p := range file.Problems() {
		problems = append(problems, Problem{Line: p.Line, Text: p.Text})
	}
	for i, p := range in.People {
		e := entry{
			line: file.Line(fmt.Sprintf("people[%d]", i)), address: p.Address, aliases: p.Aliases, sendAs: p.SendAs, name: p.Name,
			department: p.Department, manager: p.Manager, groups: p.Groups, language: p.Language,
		}
		for _, d := range p.Deputies {
			e.deputies = append(e.deputies, deputyEntry{address: d.Address, from: d.From, until: d.Until})
		}
		people = append(people, e)
	}
	for i, s := range in.Shared {
		shared = append(shared, entry{
			line: file.Line(fmt.Sprintf("shared_addresses[%d]", i)), address: s.Address, members: s.Members,
		})
	}
	return people, shared, problems
}
