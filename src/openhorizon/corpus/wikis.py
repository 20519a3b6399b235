"""What wikis call things in their own languages: sections that end an article, templates of disambiguation pages.

A wiki's own dump says much of this itself (its `__DISAMBIG__` templates, its redirects); what it cannot say stands
here by language code, and `WikiPlan` adds to it.
"""

from openhorizon.config import WikiPlan
from openhorizon.corpus.titles import folded

ENGLISH = "en"

# headings by language, parted by "|"
TAILS = {
    "en": "References|Reference|Notes|Notes and references|References and notes|Footnotes|See also|External links"
    "|External link|Further reading|Bibliography|Sources|Citations|Gallery|Works cited|Related pages|Other websites",
    "af": "Verwysings|Sien ook|Eksterne skakels|Bronne|Bronnelys|Notas",
    "ar": "مراجع|المراجع|المصادر|مصادر|انظر أيضا|انظر أيضًا|اقرأ أيضا|وصلات خارجية|روابط خارجية|هوامش|ملاحظات",
    "az": "İstinadlar|Həmçinin bax|Xarici keçidlər|Mənbə|Mənbələr|Ədəbiyyat|Qeydlər",
    "be": "Крыніцы|Зноскі|Глядзіце таксама|Гл. таксама|Спасылкі|Літаратура|Заўвагі",
    "bg": "Източници|Бележки|Вижте също|Външни препратки|Литература",
    "bn": "তথ্যসূত্র|আরও দেখুন|বহিঃসংযোগ|টীকা|গ্রন্থপঞ্জি",
    "bs": "Reference|Također pogledajte|Vanjski linkovi|Literatura|Izvori",
    "ca": "Referències|Notes|Vegeu també|Enllaços externs|Bibliografia|Notes i referències|Fonts",
    "cs": "Reference|Poznámky|Související články|Externí odkazy|Literatura|Odkazy|Zdroje",
    "cy": "Cyfeiriadau|Gweler hefyd|Dolenni allanol|Llyfryddiaeth|Ffynonellau",
    "da": "Referencer|Noter|Se også|Eksterne henvisninger|Eksterne links|Kilder|Litteratur|Kilder og henvisninger",
    "de": "Einzelnachweise|Anmerkungen|Siehe auch|Weblinks|Literatur|Quellen|Fußnoten|Nachweise|Belege"
    "|Anmerkungen und Einzelnachweise|Einzelnachweise und Anmerkungen|Galerie|Bildergalerie",
    "el": "Παραπομπές|Σημειώσεις|Δείτε επίσης|Εξωτερικοί σύνδεσμοι|Βιβλιογραφία|Πηγές|Υποσημειώσεις",
    "eo": "Referencoj|Notoj|Vidu ankaŭ|Eksteraj ligiloj|Literaturo|Fontoj|Notoj kaj referencoj",
    "es": "Referencias|Notas|Véase también|Enlaces externos|Bibliografía|Notas y referencias|Fuentes|Galería"
    "|Lecturas adicionales",
    "et": "Viited|Vaata ka|Välislingid|Kirjandus|Allikad|Märkused",
    "eu": "Erreferentziak|Oharrak|Ikus, gainera|Kanpo estekak|Bibliografia|Oharrak eta erreferentziak",
    "fa": "منابع|پانویس|جستارهای وابسته|پیوند به بیرون|یادداشت‌ها|ارجاعات|نگارخانه|برای مطالعه بیشتر",
    "fi": "Lähteet|Viitteet|Katso myös|Aiheesta muualla|Kirjallisuutta|Huomautukset|Galleria",
    "fr": "Références|Notes|Notes et références|Voir aussi|Liens externes|Bibliographie|Articles connexes|Sources"
    "|Annexes|Lien externe|Galerie",
    "ga": "Tagairtí|Féach freisin|Naisc sheachtracha|Foinsí",
    "gl": "Notas|Véxase tamén|Ligazóns externas|Bibliografía|Outros artigos|Referencias|Fontes",
    "he": "הערות שוליים|ראו גם|קישורים חיצוניים|לקריאה נוספת|ביאורים|גלריה|מקורות",
    "hi": "सन्दर्भ|संदर्भ|इन्हें भी देखें|बाहरी कड़ियाँ|टिप्पणी|स्रोत",
    "hr": "Izvori|Bilješke|Vidi još|Poveznice|Vanjske poveznice|Literatura|Unutarnje poveznice",
    "hu": "Jegyzetek|Források|További információk|Kapcsolódó szócikkek|Lásd még|Irodalom|Galéria",
    "hy": "Ծանոթագրություններ|Տես նաև|Արտաքին հղումներ|Գրականություն|Աղբյուրներ",
    "id": "Referensi|Catatan|Lihat pula|Lihat juga|Pranala luar|Daftar pustaka|Bacaan lanjutan|Catatan kaki|Rujukan",
    "is": "Tilvísanir|Heimildir|Tenglar|Tengt efni|Sjá einnig|Neðanmálsgreinar",
    "it": "Note|Voci correlate|Collegamenti esterni|Bibliografia|Altri progetti|Fonti|Galleria d'immagini",
    "ja": "脚注|注釈|出典|参考文献|関連項目|外部リンク|関連文献|ギャラリー",
    "ka": "სქოლიო|იხილეთ აგრეთვე|რესურსები ინტერნეტში|ლიტერატურა|გარე ბმულები|წყაროები",
    "kk": "Дереккөздер|Тағы қараңыз|Сыртқы сілтемелер|Әдебиет|Сілтемелер",
    "ko": "각주|같이 보기|외부 링크|참고 문헌|참고 자료|주석|출처|갤러리",
    "la": "Notae|Nexus interni|Nexus externi|Bibliographia|Fontes|Vide etiam",
    "lt": "Šaltiniai|Taip pat skaitykite|Nuorodos|Literatūra|Pastabos|Išnašos|Galerija",
    "ltg": "Nūruodis|Nūruodis i olūti|Uorejuos nūruodis|Uorejuo nūruode|Olūti|Verīs taipoš|Teiklavītys"
    "|Atsaucis|Galereja|Bibliografeja|Resursi|Literatura",
    "lv": "Atsauces|Piezīmes|Skatīt arī|Ārējās saites|Literatūra|Avoti|Galerija|Piezīmes un atsauces",
    "mk": "Наводи|Белешки|Поврзано|Надворешни врски|Литература|Извори|Видете исто така",
    "ms": "Rujukan|Nota|Lihat juga|Pautan luar|Bacaan lanjut|Nota kaki",
    "nl": "Referenties|Noten|Zie ook|Externe link|Externe links|Externe koppelingen|Literatuur|Bronnen|Bibliografie"
    "|Voetnoten|Galerij",
    "no": "Referanser|Fotnoter|Noter|Se også|Eksterne lenker|Litteratur|Kilder|Galleri",
    "nn": "Referansar|Fotnotar|Notar|Sjå òg|Sjå også|Bakgrunnsstoff|Kjelder|Litteratur",
    "pl": "Przypisy|Uwagi|Zobacz też|Linki zewnętrzne|Bibliografia|Źródła|Galeria",
    "pt": "Referências|Notas|Ver também|Ligações externas|Bibliografia|Notas e referências|Galeria|Fontes",
    "ro": "Note|Referințe|Vezi și|Legături externe|Bibliografie|Surse|Note și referințe|Galerie",
    "ru": "Примечания|Сноски|См. также|Ссылки|Литература|Источники|Комментарии|Галерея|Библиография",
    "sk": "Referencie|Poznámky|Pozri aj|Externé odkazy|Literatúra|Iné projekty|Zdroje",
    "sl": "Sklici|Opombe|Glej tudi|Zunanje povezave|Viri|Literatura|Sklici in opombe",
    "sq": "Referime|Referimet|Shiko edhe|Lidhje të jashtme|Burimi|Shënime",
    "sr": "Референце|Напомене|Види још|Спољашње везе|Литература|Извори|Reference|Vidi još|Spoljašnje veze",
    "sv": "Referenser|Noter|Fotnoter|Se även|Externa länkar|Källor|Litteratur|Källförteckning|Galleri",
    "ta": "மேற்கோள்கள்|இவற்றையும் பார்க்க|வெளி இணைப்புகள்|குறிப்புகள்|உசாத்துணை",
    "th": "อ้างอิง|เชิงอรรถ|ดูเพิ่ม|แหล่งข้อมูลอื่น|หมายเหตุ|บรรณานุกรม",
    "tr": "Kaynakça|Notlar|Ayrıca bakınız|Dış bağlantılar|Konuyla ilgili yayınlar|Dipnotlar|Galeri",
    "uk": "Примітки|Виноски|Див. також|Посилання|Література|Джерела|Галерея|Бібліографія",
    "ur": "حوالہ جات|مزید دیکھیے|بیرونی روابط|کتابیات",
    "vi": "Tham khảo|Chú thích|Xem thêm|Liên kết ngoài|Ghi chú|Thư mục|Nguồn|Đọc thêm",
    "zh": "参考文献|參考文獻|参考资料|參考資料|注释|註釋|参见|參見|外部链接|外部連結|延伸阅读|延伸閱讀|脚注|腳註|相关条目"
    "|相關條目|来源|來源|备注|備註",
}  # fmt: skip

# templates by language, parted by "|"; needed where the dump leaves its templates out
DISAMBIGUATIONS = {
    "en": "disambiguation|disambig|dab|disamb|hndis|human name disambiguation|geodis|place name disambiguation"
    "|disambiguation page|school disambiguation|hospital disambiguation|airport disambiguation|numberdis|letter-number"
    " combination disambiguation|species latin name disambiguation|surname|given name",
    "ar": "توضيح", "bg": "пояснение", "ca": "desambiguació", "cs": "rozcestník", "da": "flertydig|flertydig titel",
    "de": "begriffsklärung|bkl", "el": "αποσαφήνιση", "eo": "apartigilo", "es": "desambiguación|desambiguacion",
    "et": "täpsustuslehekülg", "eu": "argipen", "fa": "ابهام‌زدایی", "fi": "täsmennyssivu",
    "fr": "homonymie|patronyme|homonymes|toponymie", "gl": "homónimos", "he": "פירושונים", "hr": "razdvojba",
    "hu": "egyért|egyértelműsítő lap", "hy": "բազմիմաստություն", "id": "disambig|disambiguasi", "it": "disambigua",
    "ja": "aimai|曖昧さ回避|人名の曖昧さ回避|地名の曖昧さ回避", "ka": "მრავალმნიშვნელოვანი", "ko": "동음이의",
    "la": "discretiva", "lt": "nuorodinis", "ltg": "zeimeibu škiršona", "lv": "nozīmju atdalīšana", "nl": "dp|dpintro",
    "no": "peker|tobokstavsforkortelse", "nn": "fleirtyding", "pl": "ujednoznacznienie|disambig",
    "pt": "desambiguação|desambig", "ro": "dezambiguizare", "ru": "неоднозначность|многозначность|фамилия",
    "sk": "rozlišovacia stránka", "sl": "razločitev", "sr": "вишезначна одредница", "sv": "förgrening|gren|efternamn",
    "th": "แก้กำกวม", "tr": "anlam ayrımı", "uk": "неоднозначність|бз", "vi": "trang định hướng|định hướng",
    "zh": "disambig|消歧义|消歧義",
}  # fmt: skip

_SAME = {"nb": "no", "simple": "en", "be-tarask": "be", "be-x-old": "be"}

# templates that large wikis write in Lua, and the words they stand for: {1} is the first argument, {-1} the last
SHOWN = {
    "lang": "{2}", "langx": "{2}", "lang-*": "{1}", "transl": "{-1}", "transliteration": "{-1}", "nowrap": "{1}",
    "nobr": "{1}", "nobreak": "{1}", "small": "{1}", "smaller": "{1}", "big": "{1}", "larger": "{1}", "em": "{1}",
    "strong": "{1}", "sic": "{1}", "abbr": "{1}", "tooltip": "{1}", "ill": "{1}", "interlanguage link": "{1}",
    "nihongo": "{1}", "convert": "{1} {2}", "cvt": "{1} {2}", "circa": "c. {1}", "c.": "c. {1}", "val": "{1}",
    "formatnum": "{1}", "not a typo": "{1}", "as of": "as of {1}", "nbsp": " ", "spaces": " ", "snd": " – ",
    "spnd": " – ", "spaced ndash": " – ", "ndash": "–", "mdash": "—", "–": " – ", "'": "'", "!": "|", "=": "=",
    "blockquote": "{1}", "quote": "{1}", "frac": "{1}/{2}", "sfrac": "{1}/{2}", "sup": "{1}", "sub": "{1}",
    "math": "{1}", "mvar": "{1}", "linktext": "{1}", "flag": "{1}", "flagcountry": "{1}", "us$": "US${1}",
    "angbr": "⟨{1}⟩", "keypress": "{1}", "translation": "{1}", "gloss": "{1}",
}  # fmt: skip
RANGES = ("to", "-", "–", "and", "or", "x", "by", "+/-", "±")  # {{convert|3|to|5|km}}


def tails(language: str, wiki: WikiPlan) -> frozenset[str]:
    """Headings, folded, of the sections that a wiki of this language ends its articles with."""
    return folded([*_of(language, TAILS), *wiki.tails])


def disambiguations(language: str, wiki: WikiPlan) -> frozenset[str]:
    """Names of templates, folded, that stand on pages which only tell names apart."""
    return folded([*_of(language, DISAMBIGUATIONS), *wiki.disambiguations])


def _of(language: str, names: dict[str, str]) -> list[str]:
    """The names of the language and of English; of all languages where the language is not known."""
    code = _SAME.get(language, language)
    code = code if code in names else code.partition("-")[0]
    wanted = [code, ENGLISH] if language else list(names)
    return [name for key in wanted for name in names.get(key, "").split("|") if name]
