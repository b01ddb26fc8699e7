(function () {
  "use strict";
  document.querySelectorAll("figure.book-player:not([data-ready])").forEach(function (figure) {
    figure.setAttribute("data-ready", "");
    var data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    var stage = figure.querySelector(".bk-stage"), image = stage.querySelector("img.bk-frame");
    var live = figure.querySelector("[aria-live]"), controls = figure.querySelector(".bk-controls");
    var templates = figure.querySelectorAll("template"), at = data.start.slice(), timer = null;
    var inputs = figure.querySelectorAll("[data-axis]"), play = figure.querySelector(".bk-play");
    var lead = data.lead, still = window.matchMedia("(prefers-reduced-motion: reduce)");
    function show() {
      var i = 0;
      at.forEach(function (position, axis) { i = i * data.labels[axis].length + position; });
      if (image) {
        var again = /,=(\d+)$/.exec(data.images[i]);
        image.src = data.images[again ? +again[1] : i];
        image.alt = data.alts[i];
      } else {
        stage.replaceChildren(templates[data.frames[i]].content.cloneNode(true));
        stage.setAttribute("aria-label", data.alts[i]);
        // Where the picture is wider than the screen, what is lit up comes into view.
        var lit = stage.querySelector(".hot"), room = stage.clientWidth;
        if (lit && stage.scrollWidth > room) {
          var box = lit.getBoundingClientRect(), left = stage.getBoundingClientRect().left;
          stage.scrollLeft += box.left + box.width / 2 - left - room / 2;
        }
      }
      live.textContent = data.alts[i];
      if (data.notes) { live.innerHTML = data.notes[i]; }
      inputs.forEach(function (input) {
        var axis = +input.dataset.axis, label = data.labels[axis][at[axis]];
        if (input.tagName === "SELECT") { input.selectedIndex = at[axis]; return; }
        input.value = at[axis];
        input.setAttribute("aria-valuetext", label);
        input.closest("label").querySelector(".bk-value").textContent = label;
      });
      figure.querySelectorAll("[data-step]").forEach(function (button) {
        var next = at[lead] + (+button.dataset.step);
        button.setAttribute("aria-disabled", next < 0 || next >= data.labels[lead].length ? "true" : "false");
      });
    }
    function move(axis, position) {
      if (position < 0 || position >= data.labels[axis].length) { return false; }
      at[axis] = position;
      show();
      return true;
    }
    function stop() {
      clearInterval(timer);
      timer = null;
      live.setAttribute("aria-live", "polite");
      if (play) { play.textContent = play.dataset.play; }
    }
    function start() {
      if (still.matches) { move(lead, at[lead] + 1); return; }
      if (at[lead] === data.labels[lead].length - 1) { move(lead, 0); }
      live.setAttribute("aria-live", "off");
      play.textContent = play.dataset.pause;
      timer = setInterval(function () { if (!move(lead, at[lead] + 1)) { stop(); } }, data.wait);
    }
    inputs.forEach(function (input) {
      input.addEventListener("input", function () {
        stop();
        move(+input.dataset.axis, input.tagName === "SELECT" ? input.selectedIndex : +input.value);
      });
    });
    figure.querySelectorAll("[data-step]").forEach(function (button) {
      button.addEventListener("click", function () {
        stop();
        move(lead, at[lead] + (+button.dataset.step));
      });
    });
    if (play) { play.addEventListener("click", function () { if (timer) { stop(); } else { start(); } }); }
    // JupyterLab's shortcuts would take the arrow keys from the slider and Enter from the buttons.
    figure.querySelectorAll("input, select, button, .bk-stage").forEach(function (element) {
      element.setAttribute("data-lm-suppress-shortcuts", "true");
    });
    show();
    controls.hidden = false;
  });
})();
