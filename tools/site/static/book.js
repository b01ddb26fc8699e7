/* What scrolls sideways inside its box can be reached and scrolled by keyboard. The theme sees to code and to
   tables; this sees to formulas and figures, when MathJax has set them and whenever the window changes. A formula
   within a line that is wider than the page becomes such a box. */
(function () {
  "use strict";
  var boxes = ".bd-article div.math, .bd-article span.math, .bd-article .output.text_html, .bd-article .bk-scroll, .bd-article .bk-stage";
  function mark() {
    document.querySelectorAll(".bd-article span.math").forEach(function (formula) {
      formula.classList.remove("math-wide");
      var set = formula.firstElementChild, room = formula.closest("p, li, td, dd, figcaption, div");
      if (set && room && set.offsetWidth > room.clientWidth) { formula.classList.add("math-wide"); }
    });
    document.querySelectorAll(boxes).forEach(function (box) {
      var scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls && !box.hasAttribute("tabindex")) {
        box.tabIndex = 0;
        box.dataset.scrolls = "";
      } else if (!scrolls && "scrolls" in box.dataset) {
        box.removeAttribute("tabindex");
        delete box.dataset.scrolls;
      }
    });
  }
  window.addEventListener("load", function () {
    mark();
    var maths = window.MathJax && window.MathJax.startup;
    if (maths && maths.promise) { maths.promise.then(mark); }
  });
  window.addEventListener("resize", mark);
})();

/* Who comes from the search sees the words that were looked for. They are painted over and no element is added, so
   that formulas and figures stay as they are. */
(function () {
  "use strict";
  var words = (new URLSearchParams(window.location.search).get("mark") || "").toLowerCase().split(" ").filter(Boolean);
  if (!words.length || !window.CSS || !CSS.highlights) { return; }
  window.addEventListener("load", function () {
    var article = document.querySelector(".bd-article"), found = new Highlight();
    var walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    for (var node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.parentElement.closest(".math, mjx-container, script, style, template, svg")) { continue; }
      var text = node.data.toLowerCase();
      words.forEach(function (word) {
        for (var at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
          var range = new Range();
          range.setStart(node, at);
          range.setEnd(node, at + word.length);
          found.add(range);
        }
      });
    }
    CSS.highlights.set("searched", found);
  });
})();
