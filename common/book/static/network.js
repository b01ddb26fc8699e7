/* A small convolutional network in the page: its forward, and nothing else. The same numbers as in Python.
   A block of numbers, (channels, height, width), lies in one long row: number [c, i, j] of x is at
   (c * height + i) * width + j. */
(function () {
  "use strict";

  // A block of zeros, to be filled.
  function block(channels, height, width) {
    return {channels: channels, height: height, width: width, data: new Float64Array(channels * height * width)};
  }

  // y[f, i, j] = b[f] + the sum over c, u, v of W[f, c, u, v] x[c, i + u, j + v]
  function convolution(x, layer) {
    const C = x.channels, K = layer.K, y = block(layer.b.length, x.height - K + 1, x.width - K + 1);
    let at = 0;
    for (let f = 0; f < y.channels; f++) {
      for (let i = 0; i < y.height; i++) {
        for (let j = 0; j < y.width; j++) {
          let sum = layer.b[f];
          for (let c = 0; c < C; c++) {
            for (let u = 0; u < K; u++) {
              const w = ((f * C + c) * K + u) * K, here = (c * x.height + i + u) * x.width + j;
              for (let v = 0; v < K; v++) { sum += layer.W[w + v] * x.data[here + v]; }
            }
          }
          y.data[at++] = sum;
        }
      }
    }
    return y;
  }

  // y[c, i, j] = the largest of x[c, 2i, 2j], x[c, 2i, 2j + 1], x[c, 2i + 1, 2j], x[c, 2i + 1, 2j + 1]
  function pooling(x) {
    const y = block(x.channels, x.height / 2, x.width / 2);
    for (let at = 0, ci = 0; ci < y.channels * y.height; ci++) {  // rows of y, over all channels
      for (let j = 0; j < y.width; j++) {
        const here = 2 * ci * x.width + 2 * j, below = here + x.width;
        y.data[at++] = Math.max(x.data[here], x.data[here + 1], x.data[below], x.data[below + 1]);
      }
    }
    return y;
  }

  // y = max(x, 0), for a row of numbers; and for those of a block
  function relu(x) { return x.map(value => Math.max(value, 0)); }
  function reluOf(x) { return {...x, data: relu(x.data)}; }

  // y[h] = b[h] + the sum over d of x[d] W[d, h]
  function affine(x, layer) {
    const H = layer.b.length;
    return layer.b.map((b, h) => x.reduce((sum, value, d) => sum + value * layer.W[d * H + h], b));
  }

  // p[k] = exp(s[k]) / the sum over all l of exp(s[l]); the largest score is taken off first: no overflow
  function softmax(scores) {
    const largest = Math.max(...scores), powers = scores.map(s => Math.exp(s - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map(power => power / sum);
  }

  // The picture (28 * 28,), from 0 to 1, to what the first filters find in it and the ten probabilities.
  function answer(net, picture) {
    const x = {channels: 1, height: 28, width: 28, data: picture};
    const maps = reluOf(convolution(x, net.convolutions[0]));
    let y = reluOf(pooling(convolution(pooling(maps), net.convolutions[1]))).data;
    net.affines.forEach(function (layer, k) { y = affine(k ? relu(y) : y, layer); });  // between two, a ReLU
    return {maps: maps, probabilities: softmax(y)};
  }

  // ---- from what is drawn to what a network that was trained on MNIST expects

  // How much of cell g, of ink cells in a row, lies in each of 28 pixels of width step, the first at start.
  function overlaps(start, step, cells) {
    const R = [];
    for (let i = 0; i < 28; i++) {
      const left = start + i * step, row = new Float64Array(cells);
      for (let g = 0; g < cells; g++) {
        row[g] = Math.max(0, Math.min(g + 1, left + step) - Math.max(g, left)) / step;
      }
      R.push(row);
    }
    return R;
  }

  // The first and the last place that is not 0, and the mean place, weighted.
  function extent(sums) {
    let first = sums.length, last = -1, total = 0, moment = 0;
    sums.forEach(function (sum, g) {
      if (sum > 0) { first = Math.min(first, g); last = g; }
      total += sum;
      moment += sum * (g + 0.5);
    });
    return {size: last + 1 - first, middle: moment / total};
  }

  // Ink (cells * cells,), 0 or 1, as MNIST has its digits: the longer side 20 pixels, the centre of mass in
  // the middle of pixel [14, 14], each pixel the share of it that is inked. Nothing drawn gives null.
  function centred(ink, cells) {
    const rows = new Float64Array(cells), columns = new Float64Array(cells);
    ink.forEach(function (value, at) { rows[Math.floor(at / cells)] += value; columns[at % cells] += value; });
    const down = extent(rows), across = extent(columns), step = Math.max(down.size, across.size) / 20;
    if (step <= 0) { return null; }
    const R = overlaps(down.middle - 14.5 * step, step, cells), S = overlaps(across.middle - 14.5 * step, step, cells);
    const picture = new Float64Array(28 * 28), row = new Float64Array(cells);
    for (let i = 0; i < 28; i++) {  // picture = R ink S'
      row.fill(0);
      for (let g = 0; g < cells; g++) {
        if (R[i][g] > 0) { for (let h = 0; h < cells; h++) { row[h] += R[i][g] * ink[g * cells + h]; } }
      }
      for (let j = 0; j < 28; j++) { picture[i * 28 + j] = row.reduce((sum, r, h) => sum + r * S[j][h], 0); }
    }
    return picture;
  }

  // ---- weights: whole numbers of a byte each, with a scale for each filter or neuron

  function unpacked(net) {
    return {convolutions: net.convolutions.map(unpackedLayer), affines: net.affines.map(unpackedLayer)};
  }

  function unpackedLayer(stored) {
    const bytes = atob(stored.numbers), n = bytes.length, rows = stored.scales.length;
    const W = new Float64Array(n);
    for (let k = 0; k < n; k++) {
      // Filters lie one after the other; the weights of the neurons of an affine layer take turns.
      const row = stored.K ? Math.floor(k / (n / rows)) : k % rows;
      W[k] = (bytes.charCodeAt(k) << 24 >> 24) * stored.scales[row];  // a byte of 255 stands for -1
    }
    return {W: W, b: stored.b, K: stored.K};
  }

  window.bookNetwork = {answer: answer, centred: centred, unpacked: unpacked};
})();
