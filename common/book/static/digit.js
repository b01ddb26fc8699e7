/* The figure in which a digit is drawn. It is built here, since without a program there is nothing to draw on. */
(function () {
  "use strict";
  const STEP = 4, PEN = 5.5;  // cells of the grid: how far an arrow key moves the pen, and the pen's radius
  const EMPTY = "Draw a digit in the white square: by mouse, finger, pen or keyboard.";
  const KEYS = "Keyboard: the arrow keys move the pen, the space bar puts it down and lifts it, Delete clears.";

  // Ten digits as one might write them: the points of each stroke, in hundredths of the side, joined by curves.
  const EXAMPLES = [
    [[57, 16, 40, 18, 30, 34, 27, 54, 33, 74, 46, 84, 60, 80, 70, 64, 72, 44, 67, 26, 56, 16]],
    [[41, 29, 49, 22, 55, 15, 53, 38, 51, 62, 49, 86]],
    [[30, 32, 36, 19, 50, 14, 64, 20, 67, 34, 59, 50, 45, 66, 30, 82, 44, 79, 58, 81, 73, 83]],
    [[31, 22, 44, 14, 60, 17, 66, 29, 59, 41, 46, 47, 60, 51, 70, 63, 65, 78, 49, 86, 31, 79]],
    [[38, 16, 34, 32, 29, 52, 44, 54, 58, 53, 74, 52], [62, 17, 60, 40, 57, 64, 55, 86]],
    [[69, 16, 54, 17, 39, 17, 37, 31, 34, 44, 49, 42, 64, 49, 69, 63, 63, 77, 48, 85, 31, 80]],
    [[62, 14, 47, 26, 36, 44, 31, 64, 38, 81, 53, 85, 66, 76, 67, 62, 56, 53, 42, 59, 34, 70]],
    [[29, 20, 44, 19, 58, 20, 71, 18, 64, 36, 55, 56, 48, 72, 42, 87]],
    [[63, 24, 51, 15, 38, 22, 38, 36, 52, 47, 65, 59, 66, 75, 52, 85, 37, 79, 34, 64, 46, 50, 60, 38, 63, 24]],
    [[66, 30, 55, 17, 40, 20, 33, 35, 40, 48, 54, 47, 65, 34, 66, 30, 64, 48, 60, 68, 55, 86]]
  ];

  // An element with its attributes, inside another.
  function make(parent, tag, attributes, text) {
    const element = document.createElement(tag);
    Object.keys(attributes || {}).forEach(key => element.setAttribute(key, attributes[key]));
    if (text !== undefined) { element.textContent = text; }
    return parent.appendChild(element);
  }

  // A curve through points [x, y, x, y, ...]: a cubic between each two, whose slopes the neighbours give.
  function curve(points) {
    const path = [], n = points.length / 2;
    const at = (k, axis) => points[2 * Math.min(Math.max(k, 0), n - 1) + axis];
    for (let k = 0; k + 1 < n; k++) {
      for (let t = 0; t < 1; t += 0.125) {
        path.push([0, 1].map(function (axis) {
          const [a, b, c, d] = [-1, 0, 1, 2].map(shift => at(k + shift, axis));
          return b + t * ((c - a) + t * ((2 * a - 5 * b + 4 * c - d) + t * (3 * (b - c) + d - a))) / 2;
        }));
      }
    }
    path.push([at(n - 1, 0), at(n - 1, 1)]);
    return path;
  }

  // Numbers (rows * columns,) as grey values, from white at 0 to black at most.
  function paint(canvas, numbers, most) {
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
    numbers.forEach(function (number, at) {
      image.data.fill(255 - Math.round(255 * Math.min(1, number / most)), 4 * at, 4 * at + 3);
      image.data[4 * at + 3] = 255;
    });
    context.putImageData(image, 0, 0);
  }

  // All maps on one sheet, up to eight in a row, with a line of grey between two of them.
  function sheet(maps) {
    const side = maps.height, across = Math.min(8, maps.channels), lines = Math.ceil(maps.channels / across);
    const row = across * (side + 1) - 1;
    const most = Math.max(1e-9, ...maps.data), numbers = new Float64Array(row * (lines * (side + 1) - 1)).fill(0.2);
    maps.data.forEach(function (value, at) {
      const c = Math.floor(at / side / side), i = Math.floor(at / side) % side, j = at % side;
      numbers[(Math.floor(c / across) * (side + 1) + i) * row + (c % across) * (side + 1) + j] = value / most;
    });
    return {numbers: numbers, width: row, height: lines * (side + 1) - 1};
  }

  function percent(p) { return (100 * p).toFixed(1) + "\u00a0%"; }

  // The cells of a row that a pen between a and b can reach, first and last.
  function reached(a, b, cells) {
    return [Math.max(0, Math.floor(Math.min(a, b) - PEN)), Math.min(cells - 1, Math.ceil(Math.max(a, b) + PEN))];
  }

  document.querySelectorAll("figure.book-digit:not([data-ready])").forEach(function (figure) {
    figure.setAttribute("data-ready", "");
    const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const cells = data.cells, ink = new Uint8Array(cells * cells), net = window.bookNetwork.unpacked(data.net);

    // ---- what is seen
    const words = figure.querySelector(".bk-note"), room = document.createElement("div");
    figure.insertBefore(room, words);
    room.className = "bk-digit";
    const paper = make(room, "div", {class: "bk-paper"});
    const canvas = make(paper, "canvas", {
      width: cells, height: cells, tabindex: 0, role: "application",
      "aria-label": "Draw a digit here", "aria-describedby": figure.id + "-keys"
    });
    const pen = make(paper, "span", {class: "bk-pen", "aria-hidden": "true"});
    const where = make(paper, "span", {class: "bk-hidden", "aria-live": "polite"});
    const table = make(room, "table", {"aria-label": "The probability of each digit"});
    const columns = make(table, "colgroup");
    ["bk-digit-column", "", "bk-share-column"].forEach(kind => make(columns, "col", {class: kind}));
    const head = make(make(table, "thead", {class: "bk-hidden"}), "tr");
    ["digit", "bar", "probability"].forEach(title => make(head, "th", {scope: "col"}, title));
    const body = make(table, "tbody");
    const bars = EXAMPLES.map(function (_, digit) {
      const row = make(body, "tr");
      make(row, "th", {scope: "row"}, digit);
      const bar = make(make(row, "td", {"aria-hidden": "true"}), "span", {class: "bk-bar"});
      return {row: row, bar: bar, number: make(row, "td", {class: "bk-share"}, "\u2013")};
    });
    const buttons = make(room, "div", {class: "bk-buttons", role: "group", "aria-label": "The drawing"});
    const clear = make(buttons, "button", {type: "button"}, "clear");
    make(buttons, "span", {}, "an example:");
    EXAMPLES.forEach(function (strokes, digit) {
      const button = make(buttons, "button", {type: "button", "aria-label": "an example: " + digit}, digit);
      button.addEventListener("click", function () { example(strokes); });
    });
    room.appendChild(words).setAttribute("aria-live", "polite");
    const views = make(room, "div", {class: "bk-views"});
    const view = make(make(views, "div"), "canvas", {width: 28, height: 28, role: "img"});
    make(view.parentNode, "div", {}, "what the network gets");
    const mapped = make(make(views, "div", {class: "bk-maps"}), "canvas", {role: "img"});
    make(mapped.parentNode, "div", {}, "what its first filters find");
    make(room, "p", {class: "bk-keys", id: figure.id + "-keys"}, KEYS);

    // ---- ink
    // A round pen goes from one point to another: every cell nearer to the line than its radius is inked.
    function line(from, to) {
      const dx = to[0] - from[0], dy = to[1] - from[1], length = dx * dx + dy * dy;
      const [left, right] = reached(from[0], to[0], cells), [top, bottom] = reached(from[1], to[1], cells);
      for (let i = top; i <= bottom; i++) {
        for (let j = left; j <= right; j++) {
          const x = j + 0.5 - from[0], y = i + 0.5 - from[1];
          const t = length ? Math.min(1, Math.max(0, (x * dx + y * dy) / length)) : 0;
          if (Math.hypot(x - t * dx, y - t * dy) <= PEN) { ink[i * cells + j] = 1; }
        }
      }
    }

    function example(strokes) {
      ink.fill(0);
      strokes.forEach(function (points) {
        const path = curve(points).map(point => point.map(part => part / 100 * cells));
        path.forEach((point, k) => line(path[Math.max(0, k - 1)], point));
      });
      lift();
    }

    // ---- the answer
    function show() {
      const picture = window.bookNetwork.centred(ink, cells);
      const found = window.bookNetwork.answer(net, picture || new Float64Array(28 * 28));
      const p = found.probabilities, order = Array.from(p.keys()).toSorted((a, b) => p[b] - p[a]);
      bars.forEach(function (bar, digit) {
        bar.bar.style.width = picture ? 100 * p[digit] + "%" : 0;
        bar.number.textContent = picture ? percent(p[digit]) : "\u2013";
        bar.row.className = picture && digit === order[0] ? "bk-first" : "";
      });
      paint(canvas, ink, 1);
      paint(view, picture || new Float64Array(28 * 28), 1);
      const maps = sheet(found.maps);
      mapped.width = maps.width;
      mapped.height = maps.height;
      mapped.style.width = 2 * maps.width + "px";
      paint(mapped, picture ? maps.numbers : maps.numbers.fill(0), 1);
      view.setAttribute("aria-label", picture ? "The drawing in 28 by 28 pixels, scaled and centred." : "Nothing yet.");
      mapped.setAttribute("aria-label", picture
        ? "What each of the " + found.maps.channels + " filters of the first layer finds, dark where it finds much."
        : "Nothing yet.");
      const [first, second] = order;
      words.textContent = picture
        ? "It reads " + (first === 8 ? "an " : "a ") + first + " (" + percent(p[first]) + "). Next comes " + second + " (" + percent(p[second]) + ")."
        : EMPTY;
    }

    // A drawing hand is faster than the screen: one answer for each picture that the screen shows.
    let waiting = false, last = null;
    function soon() {
      if (waiting) { return; }
      waiting = true;
      window.requestAnimationFrame(function () { waiting = false; show(); });
    }

    // While the pen is down nothing is read out; when it is lifted, the answer is.
    function down(point) {
      words.setAttribute("aria-live", "off");
      line(point, point);
      last = point;
      soon();
    }

    function move(point) {
      line(last, point);
      last = point;
      soon();
    }

    function lift() {
      last = null;
      words.setAttribute("aria-live", "polite");
      show();
    }

    // ---- mouse, finger, pen
    let pointer = null;
    const place = function (event) {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width * cells, (event.clientY - box.top) / box.height * cells];
    };
    canvas.addEventListener("pointerdown", function (event) {
      if (pointer !== null || event.button !== 0) { return; }
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      down(place(event));
    });
    canvas.addEventListener("pointermove", function (event) {
      if (event.pointerId !== pointer) { return; }
      const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      (all.length ? all : [event]).forEach(one => move(place(one)));
    });
    ["pointerup", "pointercancel"].forEach(function (kind) {
      canvas.addEventListener(kind, function (event) {
        if (event.pointerId === pointer) { pointer = null; lift(); }
      });
    });

    // ---- keyboard
    const hand = [cells / 2 - STEP / 2, cells / 2 - STEP / 2];  // the middle of a cell of the 28 x 28
    const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    let drawing = false;
    function tell() {
      pen.style.left = 100 * hand[0] / cells + "%";
      pen.style.top = 100 * hand[1] / cells + "%";
      pen.classList.toggle("bk-down", drawing);
      const [column, row] = hand.map(part => Math.floor(part / STEP) + 1);
      return "row " + row + ", column " + column + (drawing ? ", pen down" : "");
    }
    function up() {
      drawing = false;
      lift();
    }
    function wipe() {
      ink.fill(0);
      up();
      tell();
    }
    canvas.addEventListener("keydown", function (event) {
      if (pointer !== null || event.ctrlKey || event.metaKey || event.altKey) { return; }
      if (ARROWS[event.key]) {
        ARROWS[event.key].forEach(function (way, axis) {
          hand[axis] = Math.min(cells - STEP / 2, Math.max(STEP / 2, hand[axis] + way * STEP));
        });
        if (drawing) { move(hand.slice()); }
      } else if (event.key === " ") {
        drawing = !drawing;
        if (drawing) { down(hand.slice()); } else { up(); }
      } else if (event.key === "Delete" || event.key === "Backspace") {
        wipe();
      } else {
        return;
      }
      event.preventDefault();
      where.textContent = tell();
    });
    canvas.addEventListener("blur", function () { if (drawing) { up(); tell(); } });
    clear.addEventListener("click", wipe);

    // JupyterLab's shortcuts would take the keys.
    room.querySelectorAll("canvas[tabindex], button").forEach(function (element) {
      element.setAttribute("data-lm-suppress-shortcuts", "true");
    });
    tell();
    show();
  });
})();
