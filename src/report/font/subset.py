import sys
from fontTools.subset import Options, Subsetter, parse_unicodes
from fontTools.ttLib import TTFont

KEPT = """0020-007E,00A0-00FF,0100-017F,0192,0218-021B,2009,202F,2010-2015,2018-201E,2020-2022,2026,2030,2032,2033,
2039,203A,20AC,2122,2190-2193,2212,2248,2260,2264,2265,03B1-03C9,2070-2079,2080-2089""".replace("\n", "")

source, out = sys.argv[1:]
font = TTFont(source)
gsub = font["GSUB"].table
tnum = next(f.Feature for f in gsub.FeatureList.FeatureRecord if f.FeatureTag == "tnum")
tabular = {}
for index in tnum.LookupListIndex:
    for table in gsub.LookupList.Lookup[index].SubTable:
        tabular.update(getattr(table, "ExtSubTable", table).mapping)
for table in font["cmap"].tables:
    table.cmap.update({c: tabular.get(table.cmap[c], table.cmap[c]) for c in map(ord, "0123456789") if c in table.cmap})
options = Options()
options.hinting, options.desubroutinize, options.notdef_outline = False, True, True
options.layout_features, options.name_IDs = [], [0, 1, 2, 3, 4, 5, 6, 13, 14]
options.drop_tables += ["GPOS", "GSUB", "GDEF"]
subsetter = Subsetter(options)
subsetter.populate(unicodes=parse_unicodes(KEPT))
subsetter.subset(font)
font.save(out)
