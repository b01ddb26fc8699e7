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
