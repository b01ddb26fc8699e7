/* The figure in which a sentence is typed: a score for each word, their mean, and what it says. */
(function () {
  "use strict";
  const EMPTY = "Type a sentence about a film: each word gets its score.";
  const UNKNOWN = "None of these words is known.";
  const HELP = "A word that is pressed is left out; pressed again, it comes back.";

  // Scores as they are kept: words in one string, numbers as bytes in base64.
  function unpacked(scores) {
    const bytes = Int8Array.from(atob(scores.numbers), sign => sign.charCodeAt(0));
    const ids = new Map(scores.words.split(" ").map((word, id) => [word, id]));
    return {ids: ids, numbers: bytes, scale: scores.scale, bias: scores.bias};
  }

  // The tokens that Python's tokenize_ascii cuts: letters a to z, digits, marks.
  function tokens(text) {
    return text.replaceAll("\u2019", "'").toLowerCase().match(/[a-z]+|[0-9]+|[.,!?;']/g) || [];
  }

  // Each token with its score; a word that is not known has the score of all that are not, which is the first.
  function scored(net, text) {
    return tokens(text).map(function (word) {
      const id = net.ids.get(word) || 0;
      return {word: word, known: id > 0, score: net.numbers[id] * net.scale};
    });
  }

  // The mean of what is kept, and the bias; null if no known word is among it.
  function total(net, kept) {
    if (!kept.some(one => one.known)) { return null; }
    return kept.reduce((sum, one) => sum + one.score, 0) / kept.length + net.bias;
  }

  window.bookSentence = {unpacked: unpacked, tokens: tokens, scored: scored, total: total};

  function make(parent, tag, attributes, text) {
    const element = document.createElement(tag);
    Object.keys(attributes || {}).forEach(key => element.setAttribute(key, attributes[key]));
    if (text !== undefined) { element.textContent = text; }
    return parent.appendChild(element);
  }

  function signed(number) {
    return (number > 0 ? "+" : number < 0 ? "\u2212" : "") + Math.abs(number).toFixed(1);
  }

  document.querySelectorAll("figure.book-sentence:not([data-ready])").forEach(function (figure) {
    figure.setAttribute("data-ready", "");
    const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const net = unpacked(data.scores), most = 127 * net.scale;

    // ---- what is seen
    const words = figure.querySelector(".bk-note"), room = document.createElement("div");
    figure.insertBefore(room, words);
    room.className = "bk-sentence";
    const label = make(room, "label", {for: figure.id + "-text"}, "Your sentence");
    const field = make(room, "textarea", {
      id: figure.id + "-text", rows: 2, maxlength: 2000, spellcheck: "false", autocomplete: "off"
    });
    room.insertBefore(label, field);
    const buttons = make(room, "div", {class: "bk-buttons", role: "group", "aria-label": "Sentences"});
    make(buttons, "span", {}, "an example:");
    data.examples.forEach(function (text, k) {
      const button = make(buttons, "button", {type: "button", "aria-label": "an example: " + text}, k + 1);
      button.addEventListener("click", function () { write(text); });
    });
    const clear = make(buttons, "button", {type: "button"}, "clear");
    const chips = make(room, "div", {class: "bk-chips", role: "group", "aria-label": "The words and their scores"});
    room.appendChild(words).setAttribute("aria-live", "polite");
    const bar = make(make(room, "div", {class: "bk-scale", "aria-hidden": "true"}), "span");
    make(room, "p", {class: "bk-keys"}, HELP);

    // ---- the answer
    let found = [];
    function show() {
      const kept = found.filter(one => !one.out), sum = total(net, kept);
      const p = sum === null ? 0.5 : 1 / (1 + Math.exp(-sum)), side = p > 0.5 ? 1 : 0;
      figure.setAttribute("data-score", sum === null ? "" : sum);
      bar.style.left = 50 * Math.min(1, 2 * p) + "%";
      bar.style.width = 100 * Math.abs(p - 0.5) + "%";
      bar.className = side ? "bk-plus" : "bk-minus";
      if (sum === null) {
        words.textContent = found.length ? UNKNOWN : EMPTY;
        return;
      }
      words.textContent = "It says " + data.classes[side] + " (" + (100 * Math.max(p, 1 - p)).toFixed(1) +
        "\u00a0%): the mean score of " + kept.length + (kept.length > 1 ? " words is " : " word is ") +
        signed(sum - net.bias) + ".";
    }

    function read() {
      found = scored(net, field.value);
      chips.replaceChildren();
      found.forEach(function (one) {
        const chip = make(chips, "button", {type: "button", "aria-pressed": "false"});
        make(chip, "span", {}, one.word);
        make(chip, "span", {class: one.score > 0 ? "bk-plus" : "bk-minus"}, one.known ? signed(one.score) : "?");
        const share = Math.min(1, Math.abs(one.score) / most * 2);
        chip.style.setProperty("--bk-share", one.known ? share.toFixed(3) : "0");
        chip.classList.add(one.score > 0 ? "bk-for" : "bk-against");
        chip.addEventListener("click", function () {
          one.out = !one.out;
          chip.setAttribute("aria-pressed", String(Boolean(one.out)));
          show();
        });
      });
      show();
    }

    function write(text) {
      field.value = text;
      read();
    }

    field.addEventListener("input", read);
    // JupyterLab's shortcuts would take the keys.
    room.addEventListener("keydown", function (event) { event.stopPropagation(); });
    clear.addEventListener("click", function () { write(""); field.focus(); });
    write(data.examples[0]);
  });
})();
