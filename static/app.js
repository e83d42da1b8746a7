// What htmx leaves to us; every page works without it. ES5.
(function (d, w) {
  d.documentElement.className = 'js';

  // Trusted Types: only htmx may parse HTML
  if (w.htmx) htmx.registerExtension('tt', {
    init: function (api) {
      function same(text) { return text; }
      if (w.trustedTypes) api.initSecurity(trustedTypes.createPolicy('htmx', { createHTML: same, createScript: same }));
    }
  });

  // An answer may put its own words in the box (errors/failed.html); the next request takes them away
  var box = d.getElementById('failed'), words = box && box.textContent;
  function failed(yes) {
    if (!box) return;
    box.hidden = !yes;
    if (!yes) box.textContent = words;
  }

  // Counted: a newer request may replace an older one
  function busy(event, by) {
    var target = event.detail.ctx.target;
    if (!target) return;
    target.busy = Math.max(0, (target.busy || 0) + by);
    if (target.busy) target.setAttribute('aria-busy', 'true');
    else target.removeAttribute('aria-busy');
  }

  function on(name, does) { d.addEventListener(name, does); }

  on('htmx:before:request', function (event) {
    failed(false);
    busy(event, 1);
  });
  on('htmx:finally:request', function (event) { busy(event, -1); });
  on('htmx:error', function () { failed(true); });
  on('htmx:response:error', function (event) {
    var ctx = event.detail.ctx;
    failed(ctx.response.status !== 422 && !ctx.hx.redirect);
  });

  // The switch's state belongs in the address
  on('htmx:after:swap', function (event) {
    var ctx = event.detail.ctx;
    if (ctx.sourceElement.hasAttribute('data-keep-url') && ctx.response.status < 400) {
      history.replaceState(history.state, '', ctx.response.raw.url);
    }
  });

  // Back on this tab: points may have changed in another
  on('visibilitychange', function () {
    if (!d.hidden && w.htmx) d.querySelectorAll('[hx-trigger=refresh]').forEach(function (piece) { htmx.trigger(piece, 'refresh'); });
  });

  on('click', function (event) {
    var button = event.target.closest('[data-copy],[data-print]');
    if (!button) return;
    if (button.hasAttribute('data-print')) return w.print();
    if (!navigator.clipboard) return; // plain http under a name: the text can be selected
    navigator.clipboard.writeText(button.getAttribute('data-copy')).then(function () {
      button.textContent = d.getElementById('status').textContent = button.getAttribute('data-done');
    });
  });
})(document, window);
