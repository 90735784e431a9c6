package detect

import "strings"

// addressOverCells reads an address whose parts have columns of their own:
// 東京都 | 千代田区 | 丸の内1-1-1. The other columns must be called so, or have no
// names at all.
func (p *page) addressOverCells(own owned, a anchor) int {
	c := p.cellAt(a.start)
	if c == nil || a.start-c.start > 3 || c.prose(p.s) {
		return 0
	}
	limit, parts := c.end, 0
	for _, o := range p.cellsOfRow(c) {
		if o.start < c.end {
			continue
		}
		if parts++; parts > 3 || o.head != kNone && o.head != kAddress || o.start-limit > 8 {
			break
		}
		limit = o.end
	}
	a.cells = true
	if limit == c.end {
		return 0
	}
	return p.readAddress(own, a, limit)
}

// findRoman reads addresses in Latin letters: 1-1-1 Marunouchi, Chiyoda-ku, Tokyo
// 100-0005. The block, the municipality and a prefecture, postal code or country
// are needed.
func (p *page) findRoman(own owned) {
	for _, h := range p.hits {
		if h.kind != kRoman || h.start == 0 || !letter(p.s[h.start-1]) || p.covered("jp.postal_address", h.start) {
			continue
		}
		from := max(0, h.start-80)
		start := romanBlock(p.s, from, h.start)
		if start < 0 || strings.Count(p.s[start:h.start], "\n") > 2 {
			continue
		}
		end := romanEnd(p.s, h.end)
		if end == 0 || p.silent(start) || p.sampled(start, end) {
			continue
		}
		value := strings.ToLower(strings.Join(strings.Fields(p.s[start:end]), " "))
		if !own.address(value) {
			p.add("jp.postal_address", Medium, value, start, end, maskAddress)
		}
	}
}

// romanBlock is where the first 1-2 or 1-2-3 between from and to begins, -1 for none.
func romanBlock(s string, from, to int) int {
	for i := from; i < to; i++ {
		if !digit(s[i]) || s[i] == '0' || i > 0 && (alnum(s[i-1]) || s[i-1] == '-' || s[i-1] == '.') {
			continue
		}
		j, marks := i, 0
		for j < to && (digit(s[j]) || s[j] == '-' && j+1 < to && digit(s[j+1])) {
			if s[j] == '-' {
				marks++
			}
			j++
		}
		if marks >= 1 && marks <= 3 && j-i <= 14 && digits(s[i:j]) <= 9 && j < to && (s[j] == ' ' || s[j] == ',') {
			return i
		}
		i = j
	}
	return -1
}

// romanEnd is the end of what must follow the municipality within 60 bytes: a
// prefecture, a postal code or the country.
func romanEnd(s string, at int) int {
	rest := strings.ToLower(s[at:min(len(s), at+60)])
	end := 0
	for _, name := range strings.Fields(romanPrefectures) {
		if i := strings.Index(rest, name); i >= 0 && (i == 0 || !letter(rest[i-1])) {
			end = max(end, i+len(name))
		}
	}
	for i := 0; i+8 <= len(rest); i++ {
		if rest[i+3] == '-' && digits(rest[i:i+3]) == 3 && digits(rest[i+4:i+8]) == 4 && (i == 0 || !alnum(rest[i-1])) && (i+8 == len(rest) || !alnum(rest[i+8])) {
			end = max(end, i+8)
			break
		}
	}
	if end == 0 {
		return 0
	}
	return at + end
}

const romanPrefectures = `japan hokkaido aomori iwate miyagi akita yamagata fukushima ibaraki tochigi gunma saitama chiba tokyo kanagawa niigata toyama
	ishikawa fukui yamanashi nagano gifu shizuoka aichi mie shiga kyoto osaka hyogo nara wakayama tottori shimane okayama hiroshima yamaguchi
	tokushima kagawa ehime kochi fukuoka saga nagasaki kumamoto oita miyazaki kagoshima okinawa`

// cities that people write without their prefecture: the designated and core
// cities, the capitals, other large ones, and the wards of Tokyo.
var cities = strings.Fields(`札幌市 仙台市 さいたま市 千葉市 横浜市 川崎市 相模原市 新潟市 静岡市 浜松市 名古屋市 京都市 大阪市 堺市 神戸市 岡山市 広島市 北九州市 福岡市 熊本市
	函館市 旭川市 小樽市 帯広市 釧路市 苫小牧市 青森市 八戸市 弘前市 盛岡市 秋田市 山形市 福島市 郡山市 いわき市 会津若松市 水戸市 つくば市 日立市 宇都宮市 小山市 前橋市 高崎市 太田市 伊勢崎市
	川越市 川口市 越谷市 所沢市 春日部市 上尾市 草加市 熊谷市 新座市 船橋市 市川市 松戸市 柏市 市原市 浦安市 八千代市 流山市 佐倉市 習志野市 成田市 木更津市
	八王子市 立川市 武蔵野市 三鷹市 府中市 調布市 町田市 小平市 日野市 西東京市 多摩市 青梅市 国分寺市 東村山市 横須賀市 平塚市 鎌倉市 藤沢市 小田原市 茅ヶ崎市 厚木市 大和市 海老名市 逗子市 座間市
	長岡市 上越市 富山市 高岡市 金沢市 小松市 福井市 甲府市 長野市 松本市 上田市 岐阜市 大垣市 各務原市 沼津市 富士市 三島市 焼津市 磐田市 豊橋市 岡崎市 一宮市 豊田市 春日井市 安城市 刈谷市 豊川市 半田市 瀬戸市 小牧市
	津市 四日市市 鈴鹿市 松阪市 伊勢市 桑名市 大津市 草津市 彦根市 宇治市 舞鶴市 長岡京市 東大阪市 豊中市 吹田市 高槻市 枚方市 茨木市 八尾市 寝屋川市 岸和田市 和泉市 守口市 門真市 箕面市 池田市 大東市 松原市
	姫路市 西宮市 尼崎市 明石市 加古川市 宝塚市 伊丹市 川西市 芦屋市 三田市 奈良市 橿原市 生駒市 和歌山市 鳥取市 米子市 松江市 出雲市 倉敷市 津山市 福山市 呉市 東広島市 尾道市 下関市 山口市 宇部市 岩国市 防府市
	徳島市 高松市 丸亀市 松山市 今治市 新居浜市 高知市 久留米市 大牟田市 春日市 飯塚市 佐賀市 唐津市 長崎市 佐世保市 諫早市 八代市 大分市 別府市 宮崎市 都城市 延岡市 鹿児島市 霧島市 那覇市 沖縄市 うるま市 浦添市 宜野湾市
	千代田区 中央区 港区 新宿区 文京区 台東区 墨田区 江東区 品川区 目黒区 大田区 世田谷区 渋谷区 中野区 杉並区 豊島区 荒川区 板橋区 練馬区 足立区 葛飾区 江戸川区`)
