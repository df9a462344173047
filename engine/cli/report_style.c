/* How the page looks, and the little script that sorts its tables. Every colour of words has a contrast of 4.5 or more. */
#include "cli/report.h"

static const char page_style[] =
    ":root{--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d3d9df;--tint:#f4f6f8;--link:#0a5fa8;--bad:#a11c36}\n"
    "*,::before,::after{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%;text-size-adjust:100%}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"DejaVu Sans\",Arial,sans-serif;overflow-wrap:anywhere}\n"
    ".page{max-width:80rem;margin:0 auto;padding:0 1rem 3rem}\n"
    "h1{font-size:1.75rem;line-height:1.2;margin:1.6rem 0 .6rem;text-wrap:balance}"
    "h2{font-size:1.35rem;line-height:1.25;margin:2.6rem 0 .6rem;padding-top:.7rem;border-top:1px solid var(--line)}"
    "h3{font-size:1.08rem;margin:1.8rem 0 .5rem}\n"
    "p,.facts,.plain{max-width:46rem}p{margin:.5rem 0}\n"
    "a{color:var(--link)}a:hover{text-decoration-thickness:2px}\n"
    ":focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}\n"
    ".skip{position:absolute;left:-99rem}.skip:focus{position:static}\n"
    "nav ul{list-style:none;margin:.8rem 0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem}"
    "nav a{display:inline-block;padding:.2rem 0}\n"
    ".lede{font-size:1.05rem;color:var(--soft)}\n"
    ".short{list-style:none;margin:1rem 0 1.4rem;padding:0;display:grid;gap:.8rem;"
    "grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}"
    ".short li{border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem .8rem;font-size:.92rem}"
    ".short p{margin:.25rem 0 0}.short .big{font-size:1.5rem;line-height:1.2;font-weight:600;margin:0}\n"
    ".note{border-left:4px solid var(--bad);padding:.35rem .8rem;background:var(--tint)}\n"
    "figure{margin:1rem 0 1.4rem}figure .box{margin:0}figcaption{color:var(--soft);font-size:.875rem;max-width:46rem;"
    "margin-top:.3rem}figure svg{margin:0;min-width:520px}figure svg.wide{min-width:800px;max-width:1160px}\n"
    ".facts{display:grid;grid-template-columns:minmax(6rem,11rem) 1fr;gap:.15rem 1rem;font-size:.92rem;margin:.6rem 0}"
    ".facts dt{color:var(--soft)}.facts dd{margin:0}\n"
    "summary{cursor:pointer;color:var(--link);padding:.3rem 0}details[open]>summary{margin-bottom:.3rem}\n"
    "footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:.7rem;color:var(--soft);font-size:.875rem}\n";

static const char table_style[] =
    ".box{overflow-x:auto;margin:.8rem 0 1.2rem}\n"
    "table{border-collapse:collapse;font-size:.875rem;line-height:1.35;font-variant-numeric:tabular-nums;"
    "min-width:100%}\n"
    "caption{text-align:left;padding:.2rem 0 .5rem;color:var(--soft)}"
    "caption span{display:block;max-width:calc(100vw - 2.2rem)}\n"
    "th,td{padding:.38rem .65rem;text-align:left;vertical-align:top;overflow-wrap:normal}\n"
    "thead th{border-bottom:2px solid var(--soft);vertical-align:bottom;font-weight:600}\n"
    "tbody{border-bottom:1px solid var(--line)}tbody:hover{background:var(--tint)}\n"
    "tbody th{font-weight:600;min-width:6.5rem}"
    ".n{text-align:right;white-space:nowrap}.w{min-width:8rem;max-width:18rem;overflow-wrap:anywhere}\n"
    "small{display:block;font-size:.78rem;font-weight:400;color:var(--soft)}\n"
    ".how td{padding-top:0}code{font:.78rem/1.45 ui-monospace,\"SF Mono\",Menlo,Consolas,\"DejaVu Sans "
    "Mono\",monospace;"
    "color:var(--soft);overflow-wrap:anywhere;user-select:all}\n"
    ".how code{display:block;max-width:calc(100vw - 3.4rem)}\n"
    "th button{all:unset;cursor:pointer;font:inherit;color:inherit;display:inline-block;min-height:1.5rem}"
    "th button:hover{text-decoration:underline}"
    "th button:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}"
    "th button::after{content:\"\\2195\";content:\"\\2195\"/\"\";color:var(--soft);padding-left:.3em}"
    "th[aria-sort=ascending] button::after{content:\"\\2191\";content:\"\\2191\"/\"\";color:inherit}"
    "th[aria-sort=descending] button::after{content:\"\\2193\";content:\"\\2193\"/\"\";color:inherit}\n";

/* Narrow, dark, on paper. */
static const char other_styles[] =
    "@media (max-width:30rem){h1{font-size:1.4rem}th,td{padding:.35rem .45rem}tbody "
    "th{min-width:4rem}.w{min-width:13rem}.facts{grid-template-columns:1fr;gap:0}"
    ".facts dd{margin-bottom:.4rem}}\n"
    "@media screen{:root{color-scheme:light dark}}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--paper:#14171c;--ink:#e6eaef;--soft:#a3adb8;--line:#333b45;"
    "--tint:#1c2128;--link:#6cb6ff;--bad:#ff8fa0}}\n"
    "@media print{@page{margin:12mm}body{font-size:10pt}nav,.skip{display:none}summary{color:inherit;list-style:none}"
    ".told::details-content{content-visibility:visible;height:auto}.page{max-width:none;padding:0}"
    ".box{overflow:visible}table{font-size:7.5pt;min-width:0;width:100%}th,td{padding:.2rem .3rem}"
    "tbody th,.w{min-width:0}.n{white-space:normal}.how code{max-width:none}"
    "small,code{font-size:6.5pt}.lede,.short li{font-size:9.5pt}.short "
    ".big{font-size:14pt}tbody,thead,figure{break-inside:avoid}h2,h3,caption{break-after:avoid}th "
    "button::after{display:none}"
    "figure svg{max-width:150mm;min-width:0}figure svg.wide{max-width:186mm;min-width:0}a{color:inherit}}\n"
    "@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}\n";

void report_style(fr_text *out) {
    fr_text_add(out, "%s%s%s", page_style, table_style, other_styles);
}

/* Heads become buttons, so that a keyboard reaches them; an entry is a tbody of its own: its figures and their command. What has
 * no number goes last, either way. Without the signs that XML knows. */
static const char script[] =
    "(function(){'use strict';\n"
    "var collator=new Intl.Collator(undefined,{numeric:true});\n"
    "function sort(table,heads,column){\n"
    "var head=heads[column],kind=head.getAttribute('data-kind'),before=head.getAttribute('aria-sort');\n"
    "var up=before?before!=='ascending':kind!=='most';\n"
    "var items=Array.from(table.tBodies,function(body){\n"
    "var cell=body.rows[0].cells[column],number=cell.getAttribute('data-v');\n"
    "return{body:body,none:kind==='words'?false:number===null,key:kind==='words'?cell.textContent:Number(number)}});\n"
    "items.sort(function(a,b){\n"
    "if(a.none||b.none)return a.none-b.none;\n"
    "var order=kind==='words'?collator.compare(a.key,b.key):a.key-b.key;\n"
    "return up?order:-order});\n"
    "items.forEach(function(item){table.appendChild(item.body)});\n"
    "Array.from(heads,function(other){other.removeAttribute('aria-sort')});\n"
    "head.setAttribute('aria-sort',up?'ascending':'descending')}\n"
    "Array.from(document.querySelectorAll('table.sorts'),function(table){\n"
    "var heads=table.tHead.rows[0].cells;\n"
    "Array.from(heads,function(head,column){\n"
    "var button=document.createElement('button');button.type='button';\n"
    "while(head.firstChild)button.appendChild(head.firstChild);\n"
    "head.appendChild(button);\n"
    "button.addEventListener('click',function(){sort(table,heads,column)})})})})();\n";

void report_script(fr_text *out) {
    fr_text_add(out, "%s", script);
}
