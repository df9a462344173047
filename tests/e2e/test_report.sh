# report: the page as text; test_report_chromium.sh looks at it in a browser.
. "${BASH_SOURCE%/*}/lib.sh"
here=$(cd "${BASH_SOURCE%/*}" && pwd)
. "$here/report_lib.sh"

count() { grep -oF -- "$1" "$2" | wc -l; }
same_count() { # same_count WORDS WORDS FILE
    checks=$((checks + 1))
    [ "$(count "$1" "$3")" = "$(count "$2" "$3")" ] || fail "as many '$1' as '$2': $(count "$1" "$3"), $(count "$2" "$3")"
}
has() { checks=$((checks + 1)); grep -qF -- "$1" "$2" || fail "$2 does not say '$1'"; }
has_not() { checks=$((checks + 1)); ! grep -qF -- "$1" "$2" || fail "$2 says '$1'"; }
well_formed() {
    if command -v xmllint > /dev/null; then
        check "$1 is well-formed" xmllint --huge --noout "$1"
    fi
}
# What the page offers as a download.
downloaded() { sed -n "s/.*download=\"$2\" href=\"data:[^,]*;base64,\([^\"]*\)\".*/\1/p" "$1" | base64 -d; }

rows results.json
run report results.json -o page.html --title "Two & three <devices>"
expect_rc 0
expect_no_out
well_formed page.html
has '<html lang="en-GB">' page.html
has '<title>Two &amp; three &lt;devices&gt;</title>' page.html
has '<main id="main">' page.html
same_count '<table' '<caption' page.html
same_count '<table' '</table>' page.html
same_count '<svg' '</svg>' page.html
same_count '<svg' '<figure' page.html
for section in fastest speed-ups model-1 model-2 devices method rows; do
    has "<section id=\"$section\"" page.html
    has "href=\"#$section\"" page.html
done
# figures, the command behind them, what failed and what may not be said
has '<code>foldrun bench v1 --device opencl:0 --fold 4 --batch 1024</code>' page.html
has '<code>foldrun bench v1 --device cpu:0 --fold 4 --batch 256 --layers</code>' page.html
has '<code>bench/peers --only onnxruntime v1</code>' page.html
has '<code>foldrun compare -o results.json</code>' page.html
has '<code>foldrun profile --device opencl:0</code>' page.html
has "cpu:0 has no int8 kernel for 'conv1'" page.html
has 'too few visits' page.html
has 'not checked' page.html
has 'without transfers' page.html
has 'Other batches' page.html
has '1.90×' page.html # of the fold 4, beside its fold 1 in the same batch
has '23.46 MB' page.html
has 'prefers-color-scheme:dark' page.html
has '@media print' page.html
# nothing comes from anywhere else
checks=$((checks + 1))
sed 's/xmlns="http[^"]*"//g' page.html | grep -qE 'https?://|@import|url\(' && fail "the page asks something of a network"
# the raw rows, out of the page itself
downloaded page.html results.json > again.json
run report again.json -o again.html --title "Two & three <devices>"
expect_rc 0
expect_same page.html again.html
checks=$((checks + 1))
[ "$("$JQ" '.rows | length' again.json)" = "$("$JQ" '.rows | length' results.json)" ] || fail "the download has other rows"
checks=$((checks + 1))
[ "$(downloaded page.html results.csv | wc -l)" -ge "$("$JQ" '.rows | length' results.json)" ] || fail "the CSV has too few lines"

# in short: which fold wins where, for each engine on a device in a class of precision
has '<p class="big">up to 1.90×</p>' page.html
has '<strong>foldrun on opencl:0</strong>, full precision' page.html
has 'Folding is faster for 2 of 2 models: ' page.html

# the same as a picture
run report results.json --picture picture.svg --title "Two & three <devices>"
expect_rc 0
expect_no_out
well_formed picture.svg
has '<title>Two &amp; three &lt;devices&gt;</title>' picture.svg
has 'foldrun 0.1.0 on opencl:0, full precision' picture.svg
run report results.json -o page2.html --picture picture2.svg --title "Two & three <devices>"
expect_rc 0
expect_same page.html page2.html
expect_same picture.svg picture2.svg

# none, and one
rows none.json devices='[]' models='[]' extras=false
run report none.json -o none.html
expect_rc 0
well_formed none.html
has 'There are no rows yet' none.html
has_not 'id="fastest"' none.html
rows one.json devices='["cpu:0"]' models='["v1"]' folds='[1]' batches='[64]' extras=false
run report one.json -o one.html
expect_rc 0
well_formed one.html
has '1 configuration of 1 model.' one.html
has_not 'id="speed-ups"' one.html
refuse 5 "there is no speed-up to draw" report one.json --picture one.svg
check "no picture, no file" test ! -e one.svg
has 'is its best f = 1' one.html

# two machines say whose device it is; what was cut off is told
rows two.json machines='["m1", "m2"]' extras=false
"$JQ" '.interrupted = true' two.json > cut-off.json
run report cut-off.json -o two.html
expect_rc 0
has '<small>on the m2</small>' two.html
has 'Not all that was asked for has been measured' two.html

# equal rates share a rank
"$JQ" '.rows |= [.[0:2][] | .visits = [{images_per_s: 10, at_s: 1}, {images_per_s: 11, at_s: 2}, {images_per_s: 12, at_s: 3}]]
       | .rows[1].fold = 2' results.json > equal.json
run report equal.json -o equal.html
expect_rc 0
has '<small>shared</small>' equal.html
has 'no difference' equal.html
has '<p class="big">no difference</p>' equal.html
has 'No fold is shown to be faster than f = 1. No difference: v1.' equal.html

# names that would be markup are words
evil='</title></style><script>alert(1)</script><img src=x onerror=alert(2)> "'"'"' & ]]> \ud83d\ude00'
"$JQ" --arg evil "$evil" '(.rows[].model, .rows[].command, .devices[].name, .devices[].driver, .devices[].features,
    .devices[].clocks, .machines[].name, .machines[].os, .machines[].cpu, .command) = $evil
    | .rows[].engine = "<script>alert(3)</script>" | .rows[].version = "\"><img src=x onerror=alert(4)>"
    | .rows[3].failed = true | .rows[3].reason = $evil
    | (.rows[] | select(.layers) | .layers[].name) = $evil[:40]' results.json > evil.json
run report evil.json -o evil.html --title "$evil"
expect_rc 0
well_formed evil.html
has_not '<img' evil.html
has_not '<script>alert' evil.html
checks=$((checks + 1))
[ "$(count '<script' evil.html)" = 1 ] || fail "there are $(count '<script' evil.html) scripts"

# ten thousand rows
rows many.json devices='["a:0", "b:0", "c:0", "d:0", "e:0"]' models='["v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4"]' \
    folds='[1, 2, 3, 4]' batches="[$(seq -s , 50)]" extras=false
run report many.json -o many.html
expect_rc 0
well_formed many.html
has '10,000 configurations of 10 models.' many.html
checks=$((checks + 1))
[ "$(count '<tbody>' many.html)" -ge 10000 ] || fail "rows are missing: $(count '<tbody>' many.html)"

# what is wrong
refuse 2 "-o REPORT.html is missing" report results.json
cp results.json kept.json
refuse 2 "holds the results" report results.json -o results.json
refuse 2 "holds the results" report results.json --picture results.json
expect_same results.json kept.json
refuse 2 "usage: foldrun report RESULTS.json" report -o x.html
refuse 2 "one word too many" report results.json more.json -o x.html
refuse 5 "nowhere.json" report nowhere.json -o x.html
head -c 3000 results.json > short.json
refuse 5 "short.json" report short.json -o x.html
echo '{"format": 99, "what": "foldrun comparison", "machines": [], "devices": [], "rows": []}' > later.json
refuse 5 "later.json" report later.json -o x.html
echo '[]' > list.json
refuse 5 "list.json" report list.json -o x.html
check "a failure leaves no page" test ! -e x.html
refuse 1 "nowhere/page.html" report results.json -o nowhere/page.html
refuse 1 "/dev/full" report results.json -o /dev/full
finish
