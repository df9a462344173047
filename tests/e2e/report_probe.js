// Put into a copy of the report by its test: what a browser makes of the page, as JSON in the title of the page around it.
(function () {
  'use strict';
  var wrong = [], all = document.querySelectorAll('body *');
  function complain(words) { if (wrong.length < 12) wrong.push(words); }
  function name(e) { return e.tagName + '.' + (e.getAttribute('class') || '') + ' "' + e.textContent.trim().slice(0, 30) + '"'; }

  // colours: words against what lies beneath them
  function colour(text) {
    var n = (text.match(/[\d.]+/g) || []).map(Number);
    return n.length < 3 ? [0, 0, 0, 0] : [n[0], n[1], n[2], n.length > 3 ? n[3] : 1];
  }
  function light(c) {
    var l = c.slice(0, 3).map(function (v) { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
    return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2];
  }
  function beneath(e) {
    for (; e; e = e.parentElement) {
      var c = colour(getComputedStyle(e).backgroundColor);
      if (c[3] === 1) return c;
    }
    return [255, 255, 255, 1];
  }
  function contrast(a, b) {
    var x = light(a), y = light(b);
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  }
  function ownWords(e) {
    return Array.from(e.childNodes).some(function (n) { return n.nodeType === 3 && n.textContent.trim(); });
  }
  var least = 99, small = 99;
  Array.from(all, function (e) {
    if (!ownWords(e) || /^(SCRIPT|STYLE|title|desc)$/.test(e.tagName)) return;
    if (!e.getClientRects().length) return;
    var style = getComputedStyle(e), svg = e.closest('svg');
    var ratio = contrast(colour(svg && e !== svg ? style.fill : style.color), beneath(e));
    if (ratio < 4.5) complain('contrast ' + ratio.toFixed(2) + ' of ' + name(e));
    least = Math.min(least, ratio);
    var size = parseFloat(style.fontSize) * (svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1);
    if (size < 7.5) complain('letters of ' + size.toFixed(1) + ' px: ' + name(e));
    small = Math.min(small, size);
  });

  // nothing beside the page but what scrolls in a box of its own
  var wide = document.documentElement.clientWidth;
  Array.from(all, function (e) {
    var box = e.closest('.box'), r = e.getBoundingClientRect();
    if (box && box !== e) return;
    if (r.width && r.left > -1000 && r.right > wide + 1) complain('wider than the page: ' + name(e));
  });

  // what a listener needs
  var ids = {};
  Array.from(document.querySelectorAll('[id]'), function (e) {
    if (ids[e.id]) complain('two of id ' + e.id);
    ids[e.id] = true;
  });
  Array.from(document.querySelectorAll('[aria-labelledby]'), function (e) {
    e.getAttribute('aria-labelledby').split(/\s+/).forEach(function (id) { if (!ids[id]) complain('no label ' + id); });
  });
  Array.from(document.querySelectorAll('a[href^="#"]'), function (e) {
    if (!ids[e.getAttribute('href').slice(1)]) complain('a link to nothing: ' + e.getAttribute('href'));
  });
  Array.from(document.querySelectorAll('svg'), function (e) {
    var title = e.querySelector(':scope > title'), desc = e.querySelector(':scope > desc');
    if (e.getAttribute('role') !== 'img' || !title || !title.textContent.trim()) complain('a picture without a name');
    if (!desc || !desc.textContent.trim()) complain('a picture without a description');
    if (!e.closest('details:not([open])') && !(e.getBoundingClientRect().height > 40)) complain('an empty picture');
  });
  Array.from(document.querySelectorAll('table'), function (e) {
    if (!e.caption || !e.caption.textContent.trim()) complain('a table without a caption');
    if (!e.querySelector('tbody th[scope=row]')) complain('a table without names of rows');
    if (e.querySelector('thead th:not([scope=col])')) complain('a head without scope');
    if (e.closest('.box').tabIndex !== 0) complain('a table that a keyboard cannot scroll');
  });
  var level = 0;
  Array.from(document.querySelectorAll('h1,h2,h3,h4'), function (e) {
    var next = Number(e.tagName[1]);
    if (next > level + 1) complain('a heading is left out before ' + name(e));
    level = next;
  });
  ['main', 'nav', 'body header', 'footer', 'h1'].forEach(function (s) {
    if (document.querySelectorAll(s).length !== 1) complain(document.querySelectorAll(s).length + ' of ' + s);
  });

  // heads are buttons, and sort
  var heads = document.querySelectorAll('thead th').length, sorted = 0;
  Array.from(document.querySelectorAll('thead th'), function (head) {
    var button = head.querySelector('button'), table = head.closest('table'), column = head.cellIndex;
    if (!button) { complain('a head without a button'); return; }
    if (sorted > 40 || head.closest('details:not([open])')) return;
    button.focus();
    if (document.activeElement !== button) complain('a button without the focus');
    ['first', 'second'].forEach(function () {
      var count = table.tBodies.length, before = head.getAttribute('aria-sort');
      button.click();
      var up = head.getAttribute('aria-sort') === 'ascending';
      if (before && before === head.getAttribute('aria-sort')) complain('a click changes nothing');
      if (table.querySelectorAll('[aria-sort]').length !== 1) complain('two sorted columns');
      if (table.tBodies.length !== count) complain('rows were lost');
      if (head.getAttribute('data-kind') === 'words') return;
      var last = null, gone = false;
      Array.from(table.tBodies, function (body) {
        var v = body.rows[0].cells[column].getAttribute('data-v');
        if (v === null) { gone = true; return; }
        if (gone) complain('what has no number is not last');
        if (last !== null && (up ? Number(v) < last : Number(v) > last)) complain('not sorted by ' + head.textContent);
        last = Number(v);
      });
    });
    sorted++;
  });

  var result = {
    wrong: wrong, inner: window.innerWidth, client: wide, scroll: document.documentElement.scrollWidth,
    tables: document.querySelectorAll('table').length, pictures: document.querySelectorAll('svg').length,
    heads: heads, sorted: sorted, contrast: Math.round(least * 100) / 100, letters: Math.round(small * 10) / 10,
    dark: matchMedia('(prefers-color-scheme: dark)').matches
  };
  var told = 'probe:' + btoa(unescape(encodeURIComponent(JSON.stringify(result))));
  window.parent.postMessage(told, '*');
})();
