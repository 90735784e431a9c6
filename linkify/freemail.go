package linkify

import (
	"strings"

	"github.com/sekisho-mail/sekisho/internal/mailaddr"
)

// freeMail lists domains whose addresses anybody can have: free mail, mobile carriers and internet providers.
// Two people there share a domain and nothing else. Subdomains count, because providers give those out too.
func freeMail() []string {
	return strings.Fields(`
gmail.com googlemail.com yahoo.com yahoo.co.jp ymail.com ymail.ne.jp rocketmail.com myyahoo.com
outlook.com outlook.jp hotmail.com hotmail.co.jp live.com live.jp msn.com passport.com
icloud.com me.com mac.com aol.com aol.jp gmx.com gmx.net gmx.de web.de mail.com email.com mail.ru inbox.ru list.ru bk.ru
yandex.com yandex.ru ya.ru proton.me protonmail.com protonmail.ch pm.me tutanota.com tuta.com tuta.io zoho.com zohomail.com
fastmail.com fastmail.fm hey.com hushmail.com duck.com mozmail.com privaterelay.appleid.com
qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com 189.cn
naver.com hanmail.net daum.net kakao.com nate.com orange.fr free.fr laposte.net wanadoo.fr t-online.de libero.it
comcast.net verizon.net att.net sbcglobal.net btinternet.com bigpond.com rediffmail.com
docomo.ne.jp ezweb.ne.jp au.com softbank.ne.jp softbank.jp i.softbank.jp vodafone.ne.jp disney.ne.jp willcom.com pdx.ne.jp
y-mobile.ne.jp ymobile.ne.jp emnet.ne.jp rakumail.jp rakuten.jp uqmobile.jp mineo.jp
nifty.com nifty.ne.jp biglobe.ne.jp ocn.ne.jp so-net.ne.jp plala.or.jp dion.ne.jp odn.ne.jp odn.ad.jp infoweb.ne.jp
asahi-net.or.jp jcom.home.ne.jp jcom.zaq.ne.jp zaq.ne.jp ybb.ne.jp bbtec.net commufa.jp eonet.ne.jp kcn.jp iij4u.or.jp
dti.ne.jp hi-ho.ne.jp mbn.or.jp netyou.jp tokai.or.jp tnc.ne.jp wakwak.com interlink.or.jp sannet.ne.jp bb-east.ne.jp
excite.co.jp infoseek.jp goo.jp mail.goo.ne.jp goo.ne.jp livedoor.com inter7.jp ai.wakwak.com nyc.odn.ne.jp
mailinator.com guerrillamail.com 10minutemail.com yopmail.com temp-mail.org sute.jp mail-temp.com`)
}

// colleagues says whether b works where a does: the very same domain, and one that a business has to
// itself. Subdomains do not count: a university's or a provider's customers sit there.
func (l *Links) colleagues(a, b mailaddr.Address) bool {
	return a.Domain() == b.Domain() && l.business(a.Domain())
}

func (l *Links) business(domain string) bool {
	if domain == "" || strings.HasPrefix(domain, "[") || !strings.Contains(domain, ".") {
		return false
	}
	for {
		if l.free[domain] {
			return false
		}
		_, parent, more := strings.Cut(domain, ".")
		if !more {
			return true
		}
		domain = parent
	}
}

func freeSet(more []string) map[string]bool {
	set := map[string]bool{}
	for _, d := range append(freeMail(), more...) {
		set[mailaddr.ASCIIDomain(strings.TrimPrefix(d, "."))] = true
	}
	return set
}

// mask shows whose code it is to those who know, and tells the others little: "b•••@other.example". The
// number of dots says nothing about the length.
func mask(a mailaddr.Address) string {
	local := []rune(a.Local())
	if len(local) < 3 {
		return "•••@" + a.Domain()
	}
	return string(local[0]) + "•••@" + a.Domain()
}
