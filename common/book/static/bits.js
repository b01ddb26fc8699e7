/* The figure in which 16 bits are flipped: what they are worth, and how far it is to the next number. */
(function () {
  "use strict";
  const HELP = "Press a bit to flip it. A value that is pressed sets all bits.";

  // The parts of a pattern: sign, exponent and digits, as whole numbers, and what they are worth together.
  function read(bits, wide) {
    const long = 15 - wide, bias = Math.pow(2, wide - 1) - 1, most = Math.pow(2, wide) - 1;
    const sign = bits >> 15, e = (bits >> long) & most, m = bits & (Math.pow(2, long) - 1);
    const spacing = Math.pow(2, Math.max(e, 1) - bias - long);
    let value = (Math.pow(2, long) * (e > 0) + m) * spacing;
    if (e === most) { value = m ? NaN : Infinity; }
    const last = e === most - 1 && m === Math.pow(2, long) - 1;  // nothing finite lies behind it
    return {value: sign ? -value : value, spacing: e === most ? NaN : spacing, e: e, m: m, full: e === most, last: last};
  }

  window.bookBits = {read: read};

  function make(parent, tag, attributes, text) {
    const element = document.createElement(tag);
    Object.keys(attributes || {}).forEach(key => element.setAttribute(key, attributes[key]));
    if (text !== undefined) { element.textContent = text; }
    return parent.appendChild(element);
  }

  function told(number) {
    if (Number.isNaN(number)) { return "no number (NaN)"; }
    if (!Number.isFinite(number)) { return number < 0 ? "\u2212infinity" : "infinity"; }
    return String(Number(number.toPrecision(6))).replace(/-/g, "\u2212");
  }

  document.querySelectorAll("figure.book-bits:not([data-ready])").forEach(function (figure) {
    figure.setAttribute("data-ready", "");
    const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const kinds = Object.keys(data.formats), texts = Object.keys(data.examples);
    let kind = kinds[0], bits = data.examples[texts[0]][kind];

    // ---- what is seen
    const words = figure.querySelector(".bk-note"), room = document.createElement("div");
    figure.insertBefore(room, words);
    room.className = "bk-bits";
    function row(label) { return make(room, "div", {class: "bk-buttons", role: "group", "aria-label": label}); }
    const format = row("Format"), choices = kinds.map(function (one) {
      const button = make(format, "button", {type: "button"}, one);
      button.addEventListener("click", function () { kind = one; show(); });
      return button;
    });
    const board = make(room, "div", {class: "bk-board", role: "group", "aria-label": "The 16 bits"});
    const switches = Array.from({length: 16}, function (_, place) {
      const button = make(board, "button", {type: "button"});
      button.addEventListener("click", function () { bits ^= 1 << (15 - place); show(); });
      return button;
    });
    room.appendChild(words).setAttribute("aria-live", "polite");
    const list = row("Values");
    make(list, "span", {}, "set to");
    texts.forEach(function (text) {
      const button = make(list, "button", {type: "button", "aria-label": "set to " + text}, text);
      button.addEventListener("click", function () { bits = data.examples[text][kind]; show(); });
    });
    make(room, "p", {class: "bk-keys"}, HELP);

    function show() {
      const wide = data.formats[kind], found = read(bits, wide);
      choices.forEach((button, i) => button.setAttribute("aria-pressed", String(kinds[i] === kind)));
      switches.forEach(function (button, place) {
        const on = (bits >> (15 - place)) & 1;
        const part = place === 0 ? "sign" : place <= wide ? "exponent" : "digit";
        button.textContent = on;
        button.className = "bk-" + part;
        button.setAttribute("aria-pressed", String(Boolean(on)));
        button.setAttribute("aria-label", "bit " + (place + 1) + ", " + part + ": " + on);
      });
      figure.setAttribute("data-bits", bits);
      figure.setAttribute("data-value", found.value);
      figure.setAttribute("data-spacing", found.spacing);
      const few = !found.full && found.e === 0 && found.m > 0 ? " It has fewer digits than usual." : "";
      words.textContent = "As " + kind + ": " + told(found.value) + "." +
        (found.full ? "" : " The next one is " + (found.last ? "infinity." : told(found.spacing) + " away." + few));
    }

    room.addEventListener("keydown", function (event) { event.stopPropagation(); });
    show();
  });
})();
