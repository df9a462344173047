# report: the page in a real browser, wide and narrow, light and dark, with scripts and without.
. "${BASH_SOURCE%/*}/lib.sh"
here=$(cd "${BASH_SOURCE%/*}" && pwd)
. "$here/report_lib.sh"
browser=$(command -v chromium || command -v chromium-browser || true)
[ -n "$browser" ] || skip "chromium is not installed: apt-get install chromium"

# browse OPTIONS... FILE: the page's document after its scripts, in dom; what it said on the console, in console
browse() {
    local file=${*: -1}
    last="chromium ${*}"
    timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run \
        --user-data-dir="$work/browser" --enable-logging=stderr --v=0 --virtual-time-budget=20000 --dump-dom \
        "${@:1:$#-1}" "file://$PWD/$file" > dom 2> err
    rc=$?
    grep -a ':CONSOLE' err > console
    expect_rc 0
    checks=$((checks + 1))
    [ ! -s console ] || fail "the console says: $(head -n 3 console)"
}
# probed FILE WIDTH OPTIONS...: with the probe in it; its answer in out. In a frame, for windows have a least width.
probed() {
    local file=$1 width=$2
    shift 2
    { sed '/^<\/body>/,$d' "$file"; echo '<script>'; cat "$here/report_probe.js"; echo '</script></body></html>'; } > probed.html
    cat > frame.html << EOF
<!DOCTYPE html><html><head><meta charset="utf-8"/><link rel="icon" href="data:,"/><meta name="color-scheme" content="light dark"/><title>nothing</title></head><body>
<script>window.addEventListener('message', function (e) { document.title = e.data; });</script>
<iframe src="probed.html" style="width:${width}px;height:900px;border:0"></iframe></body></html>
EOF
    browse --window-size=1600,1000 "$@" frame.html
    sed -n 's/.*<title>probe:\([A-Za-z0-9+/=]*\)<\/title>.*/\1/p' dom | base64 -d > out
    checks=$((checks + 1))
    [ "$("$JQ" -c .wrong out)" = "[]" ] || fail "$file: $("$JQ" -c . out)"
}
dark=--blink-settings=preferredColorScheme=0

rows results.json devices='["cpu:0", "opencl:0", "vulkan:0"]' models='["v1", "v5", "n2", "n4"]' folds='[1, 2, 3, 4]' \
    batches='[64, 256, 1024]'
run report results.json -o page.html
expect_rc 0
for width in 360 1440; do
    for scheme in light dark; do
        options=()
        [ $scheme = light ] || options=("$dark")
        probed page.html "$width" "${options[@]}"
        expect_jq ".inner == $width and .scroll <= $width"
        expect_jq ".dark == (\"$scheme\" == \"dark\")"
        expect_jq '.contrast >= 4.5'
        expect_jq '.tables > 10 and .pictures >= 10 and .heads > 100 and .sorted > 40'
    done
done

# without its script everything stands there, in the order of the ranks (a browser that runs none dumps nothing)
sed '/^<script>$/,/^<\/script>$/d' page.html > scriptless.html
checks=$((checks + 1))
[ "$(grep -c '<script' scriptless.html)" = 0 ] || fail "there is another script"
browse scriptless.html
for what in '<table' '<svg' '<tbody' '<caption' 'download='; do
    checks=$((checks + 1))
    [ "$(grep -oF -- "$what" dom | wc -l)" = "$(grep -oF -- "$what" page.html | wc -l)" ] || fail "without scripts $what is lost"
done
checks=$((checks + 1))
grep -q '<button' dom && fail "buttons that do nothing are shown without scripts"

# none, one, and names that would be markup
rows none.json devices='[]' models='[]' extras=false
rows one.json devices='["cpu:0"]' models='["v1"]' folds='[1]' batches='[64]' extras=false
"$JQ" '(.rows[].model, .devices[].name, .rows[].command) = "<script>console.error(1)</script>\"'"'"'" + ("x" * 60)' one.json > evil.json
for file in none one evil; do
    run report $file.json -o $file.html
    expect_rc 0
    probed $file.html 360
    expect_jq '.scroll <= 360'
done
finish
