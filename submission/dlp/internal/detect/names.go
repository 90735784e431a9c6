package detect

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// nameBook holds the commonest surnames and given names. A name alone is no
// evidence (precision .7 at best): in running text it is a low finding that
// supports others, under a column header it is medium and counts lists.
type nameBook struct {
	surnames, given map[string]bool
	lengths         []uint8 // of the surnames that begin with an ideograph, a bit for each
}

func newNameBook() *nameBook {
	b := &nameBook{surnames: setOf(surnameList), given: setOf(givenList), lengths: make([]uint8, 0xA000)}
	for name := range b.surnames {
		if r, _ := utf8.DecodeRuneInString(name); int(r) < len(b.lengths) {
			b.lengths[r] |= 1 << utf8.RuneCountInString(name)
		}
	}
	return b
}

// person says whether text is a surname of the book and a given name of the book,
// a space between them or not.
func (b *nameBook) person(text string) bool {
	first, _ := utf8.DecodeRuneInString(text)
	if !ideograph(first) || len(text) > 30 {
		return false
	}
	for k := 1; k <= 3; k++ {
		at := ahead(text, 0, k)
		if b.surname(text[:at], first, k) && b.given[strings.TrimPrefix(text[at:], " ")] {
			return true
		}
	}
	return false
}

// surname says whether a surname of n characters begins with r, and text is it.
func (b *nameBook) surname(text string, r rune, n int) bool {
	return (int(r) >= len(b.lengths) || b.lengths[r]>>n&1 == 1) && b.surnames[text]
}

func setOf(list string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(list) {
		out[w] = true
	}
	return out
}

// findNames reports surname and given name side by side, names with a label or a
// title, and name columns.
func (p *page) findNames(book *nameBook) {
	for _, c := range p.cells {
		if (c.head == kName || c.left == kName && (c.head == kNone || c.head == kPerson)) && c.label == kNone {
			p.nameCell(book, c)
		}
	}
	p.labelledNames(book)
	p.findPeople(book)
	first := len(p.found)
	p.lineHeads(book)
	for i := 0; i < len(p.s); {
		if p.s[i] < 0xE3 {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(p.s[i:])
		if !ideograph(r) {
			i += n
			continue
		}
		end := i + n
		for end < len(p.s) {
			r, n = utf8.DecodeRuneInString(p.s[end:])
			if !ideograph(r) {
				break
			}
			end += n
		}
		i = p.tryName(book, i, end)
	}
	p.raiseNames(first)
}

// nameList is how many names make a list of people.
const nameList = 5

// raiseNames makes names medium that something else supports: a finding in the
// same line, or many other names. A name alone stays low.
func (p *page) raiseNames(first int) {
	names := p.found[first:]
	many := len(names) >= nameList
	others := p.supporting(first)
	for i := range names {
		h := &names[i]
		if h.Level > Low {
			continue
		}
		from, to := p.lineStart(h.from), min(len(p.s), h.to+400)
		if nl := strings.IndexByte(p.s[h.to:to], '\n'); nl >= 0 {
			to = h.to + nl
		}
		k := sort.SearchInts(others, max(from, h.from-400))
		if many || k < len(others) && others[k] < to {
			h.Level = Medium
		}
	}
}

// supporting are the places of the findings that make a name beside them one.
func (p *page) supporting(n int) []int {
	var out []int
	for _, h := range p.found[:n] {
		if h.Level >= Medium && h.Detector != "jp.person_name" && h.Detector != "jp.corporate_number" {
			out = append(out, h.from)
		}
	}
	sort.Ints(out)
	return out
}

func ideograph(r rune) bool {
	return r >= 0x3400 && r <= 0x9FFF || r == '々' || r == 'ヶ' || r >= 0xF900 && r <= 0xFAFF || r >= 0x20000 && r <= 0x3FFFF
}

// titles follow the names of people.
var titles = []string{"様", "さま", "殿", "氏", "さん", "先生", "君", "くん", "ちゃん", "教授", "医師", "社長", "専務", "常務", "部長", "課長", "係長", "主任", "店長", "弁護士", "議員", "選手"}

// title is the length of the title at s, with a space before it at most.
func title(s string) int {
	trimmed := strings.TrimPrefix(s, " ")
	if r, _ := utf8.DecodeRuneInString(trimmed); !strings.ContainsRune("様さ殿氏先君くち教医社専常部課係主店弁議選", r) {
		return 0
	}
	for _, t := range titles {
		if strings.HasPrefix(trimmed, t) {
			return len(s) - len(trimmed) + len(t)
		}
	}
	return 0
}

// tryName looks at the run of ideographs at start..end and returns where to go on.
func (p *page) tryName(book *nameBook, start, end int) int {
	run := p.s[start:end]
	n := utf8.RuneCountInString(run)
	first, _ := utf8.DecodeRuneInString(run)
	if n > 8 || int(first) < len(book.lengths) && book.lengths[first] == 0 {
		return end
	}
	if end < len(p.s) && p.s[end] == ' ' && book.surnames[run] {
		if stop := p.trySpaced(book, start, end+1); stop > 0 {
			return stop
		}
	}
	for k := 1; k <= min(3, n); k++ {
		at := ahead(run, 0, k)
		if !book.surname(run[:at], first, k) {
			continue
		}
		rest := run[at:]
		for g := 3; g >= 1; g-- {
			to := ahead(rest, 0, g)
			given, after := rest[:to], p.s[start+at+to:]
			titled := title(after) > 0
			whole := start+at+to == end
			if utf8.RuneCountInString(given) == g && given != "" && (book.given[given] && (whole || titled) || titled && g >= 2 && !office(given) && endsGiven(given)) {
				p.addName(levelOf(titled), start, start+at+to)
				return end
			}
		}
	}
	return end
}

// trySpaced reads the given name behind a surname and a space.
func (p *page) trySpaced(book *nameBook, start, next int) int {
	stop := next
	for stop < len(p.s) && stop-next < 15 {
		r, size := utf8.DecodeRuneInString(p.s[stop:])
		if !nameRune(r) || r == '・' {
			break
		}
		stop += size
	}
	text := p.s[next:stop]
	for to := len(text); to > 0; {
		given := text[:to]
		titled := title(p.s[next+to:]) > 0
		whole := to == len(text)
		if book.given[given] && (whole || titled) || whole && p.ownField(start, next+to) && likeGiven(given) || titled && utf8.RuneCountInString(given) <= 3 && !office(given) {
			p.addName(levelOf(titled), start, next+to)
			return stop
		}
		_, size := utf8.DecodeLastRuneInString(given)
		to -= size
	}
	return 0
}

// ownField says that nothing else stands in the cell or field of start..end: only
// then an unknown given name is one.
func (p *page) ownField(start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(p.s[:start])
	after, _ := utf8.DecodeRuneInString(p.s[end:])
	return strings.ContainsRune("\n\t:|│,;\"【】(・>\uFFFD", before) && strings.ContainsRune("\n\t|│,;\" ()\uFFFD", after)
}

// likeGiven: one to three ideographs, or two to four kana, that are no office.
func likeGiven(s string) bool {
	kanji, kana := 0, 0
	for _, r := range s {
		switch {
		case ideograph(r):
			kanji++
		case nameRune(r) && r != '・':
			kana++
		default:
			return false
		}
	}
	return (kana == 0 && kanji <= 3 || kanji == 0 && kana >= 2 && kana <= 4) && !office(s)
}

func levelOf(titled bool) Level {
	if titled {
		return Medium
	}
	return Low
}

// office says that what follows a surname is a post or place, not a given name.
func office(s string) bool {
	for _, t := range titles {
		if strings.Contains(t, s) || strings.HasSuffix(s, t) {
			return true
		}
	}
	for _, w := range []string{"部", "課", "係", "室", "長", "店", "社", "会", "各位", "御中", "担当", "銀行", "病院", "工業", "商事", "商店", "建設", "市", "県", "町", "区", "役", "家", "一同", "両"} {
		if strings.HasSuffix(s, w) {
			return true
		}
	}
	return false
}

// labelledNames takes what stands behind 氏名： for a name.
func (p *page) labelledNames(book *nameBook) {
	for _, h := range p.hits {
		if h.kind != kName || p.covered("jp.person_name", h.end) || p.partOfLabel(h) {
			continue
		}
		at := h.end
		for at < len(p.s) && at-h.end < maxGap {
			r, n := utf8.DecodeRuneInString(p.s[at:])
			if nameRune(r) && r != '・' {
				break
			}
			if r == '(' {
				n = max(n, note(p.s[at:]))
			}
			at += n
		}
		gap := p.s[h.end:at]
		if strings.Count(gap, "\n") > 1 || strings.ContainsAny(withoutLeader(gap), ".@,。、;|\t") && (gap != "," || !p.known(book, at, len(p.s))) || strings.Trim(gap, " \n") == "" && !strings.ContainsAny(gap, " \n") {
			continue
		}
		if c := p.cellAt(h.start); c != nil && at >= c.end {
			continue // the layout has said what this cell names
		}
		if p.labelAt(at) || strings.Trim(gap, " \n") == "" && !p.known(book, at, len(p.s)) {
			continue // the next column of a header
		}
		if end := p.nameEnd(at); end > 0 && !p.sampled(at, end) && (!strings.ContainsAny(gap, "\n") || p.known(book, at, end)) {
			p.addName(Medium, at, end)
		}
	}
}

// withoutLeader leaves out the dots that lead from a label to its value: 氏名……山田.
func withoutLeader(gap string) string {
	if strings.Contains(gap, "..") {
		return strings.ReplaceAll(gap, ".", "")
	}
	return gap
}

// partOfLabel says that a longer label which names something else covers h: name in
// bank name.
func (p *page) partOfLabel(h hit) bool {
	for i := p.endingBy(h.end - 1); i < len(p.hits) && p.hits[i].end <= h.end+maxLabel; i++ {
		if o := p.hits[i]; o.kind != kName && o.kind.names() && o.start <= h.start && o.end >= h.end && o.end-o.start > h.end-h.start {
			return true
		}
	}
	return false
}

// labelAt says whether a label begins at at.
func (p *page) labelAt(at int) bool {
	for i := p.endingBy(at); i < len(p.hits) && p.hits[i].end <= at+maxLabel; i++ {
		if h := p.hits[i]; h.start == at && h.kind != kNone && h.kind != kCity && h.kind != kPrefecture {
			return true
		}
	}
	return false
}

func nameRune(r rune) bool {
	return ideograph(r) || r >= 0x3041 && r <= 0x3096 || r >= 0x30A1 && r <= 0x30FC
}

// nameEnd is the end of one or two words of kanji or kana at at that a line, a
// bracket, a comma or a title ends; 0 where the text goes on.
func (p *page) nameEnd(at int) int {
	i, words, runes := at, 1, 0
	for i < len(p.s) && runes < 16 {
		if n := title(p.s[i:]); n > 0 && runes >= 1 && !strings.HasPrefix(p.s[i:], " ") {
			break
		}
		r, n := utf8.DecodeRuneInString(p.s[i:])
		if r == ' ' && words == 1 && i > at {
			if next, _ := utf8.DecodeRuneInString(p.s[i+1:]); nameRune(next) {
				words++
				i++
				continue
			}
		}
		if !nameRune(r) {
			break
		}
		runes++
		i += n
	}
	text := p.s[at:i]
	next, _ := utf8.DecodeRuneInString(p.s[i:])
	stops := i == len(p.s) || title(p.s[i:]) > 0 || strings.ContainsRune("\n (),、;/|\t」】<。-", next)
	if runes < 2 || !stops || words == 1 && runes > 12 || office(text) || nobody(text) {
		return 0
	}
	hiragana := 0
	for _, r := range text {
		if strings.ContainsRune("はがをにでとのへもや", r) {
			hiragana++
		}
	}
	if hiragana > 1 || strings.HasSuffix(text, "です") || strings.HasSuffix(text, "ます") || strings.HasSuffix(text, "ください") {
		return 0
	}
	return i
}

// nobody: what people write where a form wants a name.
func nobody(s string) bool {
	switch s {
	case "なし", "無し", "未定", "不明", "同上", "非公開", "匿名", "記入", "必須", "任意", "確認", "変更", "担当者", "本人", "代表者", "上記", "下記", "株式会社", "有限会社", "生年月日", "電話番号", "住所":
		return true
	}
	return strings.Contains(s, "株式会社") || strings.Contains(s, "番号") || strings.Contains(s, "一覧") || strings.HasSuffix(s, "欄")
}

// known says whether the name begins with a surname of the book.
func (p *page) known(book *nameBook, at, end int) bool {
	text := p.s[at:min(end, at+12)]
	for k := 1; k <= 3; k++ {
		if book.surnames[text[:ahead(text, 0, k)]] {
			return true
		}
	}
	return false
}

// nameCell takes any short text under 氏名 for a name.
func (p *page) nameCell(book *nameBook, c cell) {
	text := p.cellText(&c)
	n := utf8.RuneCountInString(text)
	if n < 2 && !book.surnames[text] && !book.given[text] || n > 30 || digits(text) > 0 || strings.ContainsAny(text, "@/:。、━─=*_") || nobody(text) || strings.Contains(text, "会社") || strings.Contains(text, "法人") {
		return
	}
	at := c.start + strings.Index(p.s[c.start:c.end], text)
	if !p.covered("jp.person_name", at) {
		p.addName(Medium, at, at+len(text))
	}
}

func (p *page) addName(level Level, start, end int) {
	if !p.silent(start) && !p.covered("jp.person_name", start) {
		p.add("jp.person_name", level, strings.ReplaceAll(p.s[start:end], " ", ""), start, end, maskText)
	}
}

// The commonest surnames of Japan, about two thirds of the people.
const surnameList = `濱口 﨑山 邊見 邉見 御手洗 百瀬 榊 桐山 桐谷 藤村 藤森 藤吉 黒沢 黒澤 白川 白木 赤木 赤松 青柳 青野 緑川 金井 金沢 銀 銭 玉井 玉木 珠 鷹野 鶴田 鶴見 亀井 亀田 犬飼 猪俣 鹿島 鹿野 熊田 熊木
虎谷 龍田 竜崎 滝本 瀧本 瀧澤 清田 清野 泉 和久井 若山 若月 綿貫 渡瀬 渡会 涌井 吉井 吉沢 吉澤 吉本 芳賀 米山 米沢 依田 与田 四方 横尾 横川 横溝 湯本 結城 由良 柚木 弓削 安井 安西 八代 八幡 八島 柳原 薬師寺 元木 本山 本村 森岡 森脇 毛利
室井 村瀬 村越 村岡 武者 宗像 向山 三谷 三輪 三島 三村 三枝 三井 三沢 三澤 宮部 宮原 宮坂 宮島 水口 水原 水上 溝口 溝上 松川 松山 松野 松木 松林 松谷 増井 増山 牧 槇 真田 真野 間宮 馬渕 堀川 堀口 細田 細谷 別府 古山 古屋 古賀 舟橋 船越 淵上 藤巻 藤崎 藤代
深田 深谷 福永 福原 福留 広田 広川 平松 平本 平林 平岡 東山 日比野 日下部 半田 伴 春田 原島 浜野 浜本 浜中 畠山 羽鳥 橋爪 野島 野上 野沢 野澤 根岸 沼尻 丹野 新田 西井 西沢 西澤 西原 西脇 並木 滑川 名取 長沢 長澤 長井 長岡 長崎 永山 永島 仲田 中嶋 中津 富岡 富沢 戸谷 土橋
堂本 手塚 寺岡 寺本 津村 辻本 塚越 千野 茅野 力石 棚橋 谷本 谷村 谷内 立石 立川 竹村 竹下 武井 武内 高梨 高岡 高杉 高畑 高柳 髙田 髙山 田尻 田沼 田上 反町 園田 相田 相川 相沢 相澤 会田 芹沢 芹澤 関谷 関野 瀬川 須田 須山 杉原 杉村 菅谷 菅沼 末永 新谷 進藤 白鳥 城田 島崎 島村 嶋村 柴崎 篠崎
篠田 塩田 塩谷 塩見 三瓶 沢井 沢村 澤井 澤村 笹本 佐川 佐山 酒田 坂上 斉木 近江 小柳 小谷野 小室 小出 小宮 小宮山 駒井 国分 国井 倉田 倉持 熊井 工藤 日下 木原 木内 木本 北原 北島 岸本 岸田 菊川 河本 河原 川辺 川畑 川野 川瀬 川添 川名 軽部 神山 金山 勝又 勝田 葛西 笠原 笠井 影山 柿沼 小野田 小沼 奥野 奥平 荻野 荻原 岡部 岡林 大原 大久保 大倉 大友 大畑 大滝 大庭
海老原 江川 榎 梅津 梅本 梅村 内海 内山 内野 宇佐美 宇田川 岩間 岩沢 岩澤 岩城 井川 井沢 井澤 伊勢 伊沢 石坂 石渡 石崎 池上 飯野 安西 有賀 有田 新川 荒巻 雨宮 天野 東海林 浅井 浅川 浅田 秋元 秋葉 青島 佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 山田 佐々木 山口 松本 井上 木村 林 斎藤 清水 山崎 森 池田 橋本 阿部 石川 山下 中島 石井 小川
前田 岡田 長谷川 藤田 後藤 近藤 村上 遠藤 青木 坂本 斉藤 福田 太田 西村 藤井 金子 藤原 岡本 三浦 中野 中川 原田 松田 竹内 小野 田村 中山 和田 石田 森田 上田 原 内田 柴田 酒井
宮崎 横山 高木 安藤 宮本 大野 小島 谷口 工藤 今井 高田 増田 丸山 杉山 村田 大塚 新井 小山 平野 藤本 河野 上野 野口 武田 松井 千葉 菅原 岩崎 木下 久保 佐野 野村 松尾 市川 菊地 杉本
古川 大西 島田 水野 桜井 高野 吉川 山内 西田 飯田 菊池 西川 小松 北村 安田 五十嵐 川口 平田 関 中田 久保田 東 服部 川崎 岩田 土屋 福島 本田 辻 樋口 秋山 田口 永井 山中 中西
吉村 川上 大橋 石原 松岡 浜田 馬場 森本 矢野 浅野 松下 星野 大久保 吉岡 小池 野田 荒木 松浦 熊谷 大谷 内藤 黒田 尾崎 永田 川村 望月 松村 田辺 荒井 堀 大島 早川 栗原 広瀬 三宅
菅野 横田 石橋 西山 岡崎 萩原 片山 本間 岩本 大石 栗田 須藤 関口 宮田 渡部 小沢 高山 成田 岡 柳田 大森 榎本 浜口 大川 片岡 平井 今村 中井 福井 三上 西 堀内 桑原 川島 小田 八木
青山 福岡 岩井 天野 河合 大木 坂口 関根 白石 奥村 千田 牧野 小西 南 児玉 河村 鎌田 小原 篠原 古田 山岸 宇野 神田 根本 津田 若林 川端 沢田 富田 稲垣 下田 沼田 落合 武藤 上原 宮川
吉野 稲葉 江口 井口 大場 豊田 徳永 黒木 相馬 徳田 高島 三好 藤岡 小泉 田島 長田 瀬戸 北川 三木 土井 真鍋 竹田 金田 向井 奥田 西野 杉浦 岸 堤 大山 小倉 飯塚 高瀬 土田 梅田 細川
安部 中尾 植田 米田 日高 湯浅 戸田 戸塚 松永 柏木 岡村 塚本 梶原 川本 竹中 丹羽 小森 坂井 坂田 佐伯 土肥 岩瀬 榊原 比嘉 金城 大城 宮城 新垣 玉城 上地 知念 島袋 仲村 城間 神谷 齋藤 齊藤
渡邊 渡邉 髙橋 髙木 濱田 濵田 廣瀬 澤田 櫻井 國分 嶋田 山﨑 宮﨑 眞鍋 長尾 長島 永野 富永 水谷 水田 森下 森川 森山 柳 柳沢 矢島 谷川 谷 山村 山根 湯川 横井 若松 和泉 渥美 荒川 有馬 安達 飯島
石黒 石塚 板垣 一ノ瀬 伊東 稲田 井手 岩下 上村 臼井 梅原 江藤 遠山 大内 大沢 大竹 大槻 大坪 大平 岡野 緒方 奥山 小笠原 小野寺 甲斐 加納 川田 河田 川合 神崎 菊田 北野 草野 窪田 黒川 小谷 越智 古賀 佐久間
笹川 佐竹 志村 庄司 白井 菅 杉田 曽我 高井 高松 滝沢 竹本 立花 田代 田原 田畑 塚田 角田 寺田 寺島 戸川 中里 中原 中本 中谷 長野 仁科 西尾 西岡 西本 野崎 野中 橋口 畑中 花田 羽田 浜崎 原口 東野 日野 平川 平山
深沢 福本 福山 藤川 藤沢 藤野 船橋 星 堀田 堀江 本多 前川 町田 松原 松崎 三田 三橋 光永 峯 宮内 宮下 宮沢 村井 村松 村山`

// Common given names of all generations.
const givenList = `蒼 瑞希 莉子 貴大 喜美子 昭一 朝陽 大和 悠希 結月 澪 彩葉 芽生 暖 湊斗 奏多 伊織 碧斗 悠翔 結斗 絢斗 晴 晴人 健 健吾 健司 孝太郎 幸太郎 康平 康介 康太 翼 祐 祐太 友樹 友也 知也 正之 正義 正明 正行 正美 勝也 勝利 敏行 敏之 敏彦 利之 武彦 武夫 光雄 光司
義之 義則 和之 和幸 和樹 和人 和宏 和義 一樹 一馬 一輝 英一 英介 英司 英之 栄作 栄治 孝行 孝明 昌也 昌平 昌弘 将太 将人 将司 将大 勇人 勇樹 友和 悟 徹也 照夫 輝 輝夫 哲 哲夫 哲也 達夫 達彦 忠 忠夫 忠雄 貞夫 春樹 春男 秀夫 秀雄 秀之 秀人 秀和 仁志 均 洸 洸太 晃司 晃一 幸司 幸太 公一 公平 浩介 浩平 浩司 恒一 恒夫 謙 謙太
桂 喬 杏樹 京香 恭子 冴子 佐知子 佐和子 里沙 里佳 律子 留美 留美子 瑠美 麗子 若葉 和歌子 弥生 八重子 靖子 康子 泰子 保子 安子 百恵 美和子 美也子 美樹 美帆 美沙 美沙子 美里 美子 美江 光恵 実穂 実咲 未来 未央 望 望美 希 希美 多恵 多恵子 妙子 千晶 千明 結子 優衣 優希 友里 由香子 由梨 由利子 百花 萌子 真央 真衣 真希 真琴 真弓 眞弓 麻友 麻由美 麻耶 摩耶
のぞみ はるか さやか まい まゆ ゆい ゆうこ えり あや あやか りな りさ みさき みき みほ かな かずみ けいこ ようこ ひろこ ともこ エリカ マリ 太郎 次郎 三郎 一郎 二郎 健一 健二 健太 健太郎 浩 浩一 浩二 浩之 誠 誠一 隆 隆司 隆之 茂 豊 勝 勝己 博 博之 博史 和夫 和男 和也 和彦 正 正雄 正人 正樹 正和 清 清志 進 修 修一 修平
明 昭 昭夫 昭二 実 稔 剛 剛志 武 武志 哲也 哲郎 達也 達郎 直樹 直人 直之 秀樹 秀明 秀一 英樹 英明 英二 英雄 雅彦 雅之 雅人 雅也 康弘 康夫 靖 泰 泰三 孝 孝之 貴之 貴志 崇 崇史 敬 敬一 敏夫 敏明
俊介 俊一 俊彦 智 智也 智之 智彦 学 守 徹 亮 亮太 亮介 翔 翔太 翔平 大輔 大樹 大地 大翔 拓也 拓真 拓海 卓也 匠 純 純一 潤 淳 淳一 順一 伸一 慎一 慎吾 真一 真也 信一 信夫 信之 伸也 晋也 賢 賢一 賢治
謙一 憲一 憲司 研二 元 弘 弘樹 弘之 裕 裕一 裕二 裕介 裕樹 祐介 祐樹 悠 悠斗 悠人 悠真 悠太 勇 勇気 勇太 雄一 雄太 雄介 優 優斗 優太 蓮 陽太 陽翔 陽斗 湊 樹 颯太 颯 海斗 海翔 涼 涼太 涼介 駿 駿介 隼人
隼 力 満 宏 宏之 宏樹 章 彰 晃 光 光一 光男 幸一 幸雄 幸男 幸治 聡 聡史 敦 篤 篤志 厚 努 強 登 昇 洋 洋一 洋介 洋平 陽一 陽介 良 良一 良太 圭 圭介 恵介 啓 啓介 啓太 慶 慶太 航 航平 渉 歩 歩夢 忍 薫 司 寛
寛之 史郎 四郎 五郎 伸 紀之 則夫 典夫 久 久雄 尚 尚人 尚樹 文雄 文男 利夫 利明 義男 義雄 義明 喜一 善一 安男 保 栄一 栄 鉄也 道夫 道雄 恭平 恭介 京介 享 要 奏 奏太 新 朔 律 凛 凜 碧 暁 黎 仁 龍 龍一 龍之介 竜也 竜太
花子 幸子 和子 洋子 恵子 京子 節子 文子 久美子 久美 由美子 由美 由美恵 真由美 明美 智子 智美 裕子 裕美 裕美子 優子 優花 優奈 優香 悠子 陽子 陽菜 葵 結衣 結菜 結愛 美咲 美優 美月 美羽 美桜 美結 美穂 美紀 美香 美和 美智子
美代子 美奈子 美奈 美幸 美由紀 真由 真理子 真理 真美 真紀 真奈美 麻衣 麻衣子 麻美 麻里 麻里子 舞 愛 愛子 愛美 愛理 彩 彩香 彩花 彩乃 綾 綾子 綾香 綾乃 絵美 絵里 絵里子 恵 恵美 恵美子 恵理 恵理子 恵里 香織 香 香奈 佳奈 佳子 佳代 加奈
加奈子 可奈子 果歩 夏美 夏希 奈々 奈々子 奈緒 奈緒子 奈津子 奈美 直子 直美 尚子 順子 純子 淳子 潤子 典子 紀子 規子 範子 法子 敬子 圭子 啓子 景子 桂子 慶子 孝子 貴子 隆子 礼子 玲子 玲奈 怜奈 怜 令子 里美 里奈 里香 理恵 理沙 理香
莉子 莉奈 梨花 凛花 涼子 良子 好美 芳子 佳美 嘉子 春子 春香 春奈 晴香 遥 遥香 遥奈 遙 千春 千秋 千恵 千恵子 千佳 千夏 千尋 千代子 千鶴 知子 知美 朋子 朋美 友子 友美 友紀 友香 有紀 有希 有香 由紀 由紀子 由香 由香里 由佳 由里子 百合子 百合 幸恵 幸
雪 雪乃 行子 征子 清子 静 静香 静子 澄子 純香 鈴 鈴子 寿子 寿美子 久子 弘子 博子 浩子 広子 宏美 宏子 仁美 仁子 瞳 光子 光代 満里奈 道子 三枝子 みどり 緑 桃子 桃花 桃香 萌 萌花 若菜 和美 和代 和恵 英子 栄子 悦子 江里子 咲 咲良 咲希 桜 さくら さくら子 沙織 沙耶 沙也加
沙羅 紗季 紗英 早紀 早苗 早希 皐月 詩織 詩 志保 志穂 志織 史子 文 文香 冬子 藤子 房子 富美子 芙美 穂香 穂乃香 星奈 心 心春 心愛 心結 琴音 琴美 楓 紬 杏 杏奈 杏子 芽衣 芽依 陽葵 凪 凪沙 渚 夕子 梓 茜 泉 和花 かおり かおる さとみ ひとみ まゆみ めぐみ ゆかり なおみ あゆみ みゆき ひろみ あかり ひかり
つばさ ほのか みなみ ななみ`
