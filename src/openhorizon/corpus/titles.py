"""Titles as MediaWiki compares them, and what a link target means: an article, another namespace, another wiki."""

import html
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal
from urllib.parse import unquote

from openhorizon.corpus.dump import SiteInfo
from openhorizon.corpus.paragraphs import names

Kind = Literal["article", "shown", "hidden"]

MAIN, FILE, TEMPLATE, CATEGORY = "0", "6", "10", "14"
# what every wiki understands beside its own names
CANONICAL = {
    "media": "-2", "special": "-1", "talk": "1", "user": "2", "user talk": "3", "project": "4", "project talk": "5",
    "wikipedia": "4", "wikipedia talk": "5", "wp": "4", "file": FILE, "image": FILE, "file talk": "7", "image talk": "7",
    "mediawiki": "8", "mediawiki talk": "9", "template": TEMPLATE, "template talk": "11", "help": "12",
    "help talk": "13", "category": CATEGORY, "category talk": "15", "portal": "100", "portal talk": "101",
    "draft": "118", "draft talk": "119", "timedtext": "710", "module": "828", "module talk": "829",
}  # fmt: skip
SISTERS = names(
    "w wikt s q b n v voy species commons c m meta mw d wikidata wikipedia wiktionary wikisource wikiquote wikibooks"
    " wikinews wikiversity wikivoyage wikispecies wikimedia foundation wmf incubator phab phabricator mediawikiwiki"
    " bugzilla testwiki arxiv doi google imdb rfc pmid isbn oeis toollabs toolforge irc tools"
)
LANGUAGES = names(
    "aa ab ace ady af ak als alt am ami an ang ar arc ary arz as ast atj av avk awa ay az azb ba ban bar bat-smg bcl be"
    " be-tarask be-x-old bg bh bi bjn blk bm bn bo bpy br bs bug bxr ca cbk-zam cdo ce ceb ch cho chr chy ckb co cr crh"
    " cs csb cu cv cy da dag de din diq dsb dty dv dz ee el eml en eo es et eu ext fa fat ff fi fiu-vro fj fo fon fr frp"
    " frr fur fy ga gag gan gcr gd gl glk gn gom gor got gpe gsw gu guc gur guw gv ha hak haw he hi hif ho hr hsb ht hu"
    " hy hyw hz ia id ie ig ii ik ilo inh io is it iu ja jam jbo jv ka kaa kab kbd kbp kcg kg ki kj kk kl km kn ko koi"
    " kr krc ks ksh ku kv kw ky la lad lb lbe lez lfn lg li lij lld lmo ln lo lrc lt ltg lv lzh mad mai map-bms mdf mg"
    " mh mhr mi min mk ml mn mni mnw mo mr mrj ms mt mus mwl my myv mzn na nah nan nap nb nds nds-nl ne new ng nia nl nn"
    " no nov nqo nrm nso nv ny oc olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy"
    " rn ro roa-rup roa-tara ru rue rup rw sa sah sat sc scn sco sd se sg sgs sh shi shn shy si simple sk skr sl sm smn"
    " sn so sq sr srn ss st stq su sv sw szl szy ta tay tcy te tet tg th ti tk tl tly tn to tpi tr trv ts tt tum tw ty"
    " tyv udm ug uk ur uz ve vec vep vi vls vo vro wa war wo wuu xal xh xmf yi yo yue za zea zh zh-classical zh-min-nan"
    " zh-yue zu"
)  # of the wikis that a link may lead to
_INVISIBLE = dict.fromkeys(
    map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u00ad")
)


class Titles:
    """The titles of one wiki."""

    def __init__(self, site: SiteInfo) -> None:
        own = {" ".join(name.split()).casefold(): number for name, number in site.namespaces.items()}
        self._namespaces = CANONICAL | own
        self._first_letter = site.case == "first-letter" and MAIN not in site.sensitive

    def canonical(self, title: str) -> str:
        """The title of an article as its page bears it: underscores, entities, percents and the first letter settled.

        >>> Titles(SiteInfo()).canonical("new_York%20 City#History")
        'New York City'
        """
        title = html.unescape(title)
        if "%" in title:
            with suppress(UnicodeDecodeError):
                title = unquote(title, errors="strict")
        title = title.partition("#")[0].translate(_INVISIBLE).replace("_", " ")
        title = unicodedata.normalize("NFC", " ".join(title.split()))
        return self._capital(title)

    def meaning(self, target: str) -> tuple[Kind, str]:
        """What a link's target leads to, with the canonical title of an article ("" else).

        article: to the main namespace. shown: words without a link here (another namespace, a sister project, a
        section of the same page). hidden: no words of the article at all (files, categories, the same page in
        another language).
        """
        bare = target.strip()
        colon_first = bare.startswith(":")
        bare = bare.lstrip(": ")
        head, colon, rest = bare.partition(":")
        head = " ".join(head.replace("_", " ").split()).casefold()
        if colon and head in self._namespaces:
            own = self._namespaces[head]
            if own == MAIN:
                return "article", self.canonical(rest)
            return ("hidden" if own in (FILE, CATEGORY) and not colon_first else "shown"), ""
        if colon and head in LANGUAGES:
            return ("shown" if colon_first else "hidden"), ""
        if colon and head in SISTERS:
            return "shown", ""
        title = self.canonical(bare)
        return ("article", title) if title else ("shown", "")

    def namespace(self, title: str) -> str:
        """The number of the namespace that a page's full title lies in."""
        head, colon, _ = title.partition(":")
        return self._namespaces.get(" ".join(head.split()).casefold(), MAIN) if colon else MAIN

    def template(self, name: str) -> str:
        """The canonical name of a template, without its namespace."""
        name = " ".join(html.unescape(name).translate(_INVISIBLE).replace("_", " ").split())
        head, colon, rest = name.partition(":")
        if colon and self._namespaces.get(head.casefold()) == TEMPLATE:
            name = rest.strip()
        name = unicodedata.normalize("NFC", name)
        return first_capital(name)

    def _capital(self, title: str) -> str:
        return first_capital(title) if self._first_letter else title


def first_capital(title: str) -> str:
    """The title with its first letter as MediaWiki capitalises it: one letter stays one letter.

    >>> first_capital("éa"), first_capital("ßa")
    ('Éa', 'ßa')
    """
    capital = title[:1].title()  # not upper(): Georgian has no capitals in running text
    return capital + title[1:] if len(capital) == 1 else title


def folded(names: Iterable[str]) -> frozenset[str]:
    """Names to be compared without case and without the ends that headings carry."""
    return frozenset(" ".join(name.split()).casefold().strip(" :.") for name in names)
