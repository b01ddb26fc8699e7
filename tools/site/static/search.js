/* The search: sections of the book, best first. A title that holds the words comes before a term that the section
   introduces, and that before its text. The words are then marked on the page that the reader opens. */
(function () {
  "use strict";
  var MOST = 40;
  function singular(word) {
    return word.length > 3 ? word.replace(/ies$/, "y").replace(/([^s])s$/, "$1") : word;
  }
  /* Words as they are compared: no accents, no signs, no plural. "Warm-ups" and "warm up" are the same. */
  function plain(text) {
    return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim()
      .split(" ").map(singular).join(" ");
  }
  function joined(text) { return plain(text).replace(/ /g, ""); }
  function holds(text, phrase) { return (" " + text).indexOf(" " + phrase) >= 0; }
  function holdsAll(text, words) { return words.every(function (word) { return holds(text, word); }); }

  function rank(section, phrase, words) {
    var title = plain(section.title), together = phrase.replace(/ /g, ""), score = 0;
    if (holds(title, phrase)) {
      score = 100 + 40 * (title.indexOf(phrase) === 0) + 40 * (title === phrase);
    } else if (together.length > 3 && joined(section.title).indexOf(together) >= 0) {
      score = 95;
    } else if (holdsAll(title, words)) {
      score = 80;
    }
    [[section.terms, 90], [section.bold, 70]].forEach(function (kind) {
      kind[0].forEach(function (term) {
        if (joined(term) === together) { score = Math.max(score, kind[1]) + 30; }
        else if (holds(plain(term), phrase)) { score = Math.max(score, kind[1] - 30); }
      });
    });
    var text = section.plain || (section.plain = plain(section.words));
    var times = (" " + text).split(" " + phrase).length - 1;
    if (times && score < 100) { score = Math.max(score, 20) + Math.min(times, 9); }
    else if (!score && holdsAll(title + " " + text, words)) { score = 5; }
    /* In the glossary a title is one term: behind the section of that title, before all others. */
    return section.chapter === "Glossary" && score >= 100 ? score - 35 : score;
  }

  function find(query) {
    var phrase = plain(query), words = phrase.split(" ");
    if (!phrase) { return []; }
    return window.bookSections.map(function (section) {
      return { section: section, score: rank(section, phrase, words) };
    }).filter(function (hit) { return hit.score; }).toSorted(function (a, b) { return b.score - a.score; });
  }

  function element(name, classes, text) {
    var made = document.createElement(name);
    made.className = classes;
    made.textContent = text || "";
    return made;
  }

  /* A part of the text around the first of the words, with each of them marked. */
  function excerpt(text, words) {
    var lower = text.toLowerCase(), places = words.map(function (word) { return lower.indexOf(word); });
    var first = Math.min.apply(null, places.filter(function (at) { return at >= 0; }).concat(text.length));
    var from = first === text.length ? 0 : text.lastIndexOf(" ", Math.max(0, first - 80)) + 1;
    var part = text.slice(from, from + 240);
    var made = element("p", "context", from ? "… " : "");
    var pattern = new RegExp("(" + words.map(function (word) {
      return word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    }).join("|") + ")", "i");
    part.split(new RegExp(pattern.source, "gi")).forEach(function (piece) {
      made.append(pattern.test(piece) ? element("mark", "", piece) : piece);
    });
    if (from + 240 < text.length) { made.append(" …"); }
    return made;
  }

  function show(query) {
    var place = document.getElementById("search-results"), hits = find(query), words = plain(query).split(" ");
    var marks = words.filter(function (word) { return word.length > 2; });
    if (!hits.length) {
      place.append(element("p", "search-summary", "Your search did not match any documents. " +
        "Try fewer words, or look into the glossary."));
      return;
    }
    var count = hits.length === 1 ? "One section" : hits.length + " sections";
    place.append(element("p", "search-summary", count + (hits.length > MOST ? ", the best " + MOST : "") + ":"));
    var list = element("ol", "search");
    hits.slice(0, MOST).forEach(function (hit) {
      var section = hit.section, item = element("li", ""), link = element("a", "");
      var parts = section.url.split("#");
      link.href = parts[0] + "?mark=" + encodeURIComponent(marks.join(" ")) + (parts[1] ? "#" + parts[1] : "");
      link.textContent = (section.number ? section.number + ". " : "") + section.title;
      item.append(link, section.chapter ? element("span", "search-chapter", section.chapter) : "");
      if (section.words) { item.append(excerpt(section.words, marks.length ? marks : words)); }
      list.append(item);
    });
    place.append(list);
  }

  window.bookFind = find;
  var query = new URLSearchParams(window.location.search).get("q") || "";
  document.querySelectorAll("form.bd-search input").forEach(function (input) { input.value = query; });
  if (query.trim()) { show(query); }
})();
