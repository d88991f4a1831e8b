// A picture to the numbers that the network takes, bit for bit as the service prepares it: `preprocessing` in contract.json
// says how, docs/device.md says it in words. The resizing is Pillow's (triangle filter, as wide as the picture shrinks, in
// whole numbers), because a canvas would resize in another way and the network would answer differently.

const starts = (bytes, text, at = 0) => [...text].every((sign, n) => bytes[at + n] === sign.charCodeAt(0));
const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;
const isPng = (bytes) => starts(bytes, "PNG", 1);

function refused(what) {
  return Object.assign(new Error(what), { refused: true });
}

// ---- bytes to pixels ----

// The parts of a file that say how the camera was held: the network learned from pictures as they were stored.
function withoutOrientation(bytes) {
  const kept = [];
  let from = 0;
  let at = isJpeg(bytes) ? 2 : 8;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  while (at + 12 <= bytes.length) {
    let length;
    let drop;
    if (isJpeg(bytes)) {
      if (bytes[at] !== 0xff || bytes[at + 1] === 0xda) break;
      length = 2 + view.getUint16(at + 2);
      drop = bytes[at + 1] === 0xe1 && starts(bytes, "Exif", at + 4);
    } else {
      length = 12 + view.getUint32(at);
      drop = starts(bytes, "eXIf", at + 4);
    }
    if (drop) {
      kept.push(bytes.subarray(from, at));
      from = at + length;
    }
    at += length;
  }
  return new Blob([...kept, bytes.subarray(from)]);
}

// A browser shows half a picture; the service refuses it, and so does this page.
function check(bytes) {
  const known = isJpeg(bytes) || isPng(bytes) || starts(bytes, "GIF8") || starts(bytes, "BM") ||
    (starts(bytes, "RIFF") && starts(bytes, "WEBP", 8));
  if (!known) throw refused("This file is not an image (PNG, JPEG, WEBP, BMP, GIF).");
  const end = isJpeg(bytes) ? [0xff, 0xd9] : isPng(bytes) ? [..."IEND"].map((sign) => sign.charCodeAt(0)) : null;
  let at = bytes.length - (end ? end.length : 0);
  while (end && at >= 0 && !end.every((byte, n) => bytes[at + n] === byte)) at -= 1;
  if (at < 0) throw refused("This image is cut off: its end is missing.");
  if (isPng(bytes) && bytes[24] === 16) throw refused("This image has 16 bits a colour; only 8 can be judged on the device.");
}

// Colours of transparent pixels, which a canvas would lose.
function unblended(bitmap) {
  const { width, height } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl");
  if (!gl || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) {
    throw refused("This image has transparent parts, which this browser cannot read.");
  }
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
  const data = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return data;
}

/** Pixels of an image file: {width, height, channels: 3, data}. `upright`: turned as its EXIF orientation says. */
export async function decode(file, upright, pixels) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  check(bytes);
  const blob = upright || !(isJpeg(bytes) || isPng(bytes)) ? new Blob([bytes]) : withoutOrientation(bytes);
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    throw refused("This image cannot be decoded.");
  }
  const { width, height } = bitmap;
  if (width * height > pixels) throw refused(`This image has ${width} x ${height} pixels; at most ${pixels} can be judged.`);
  const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  canvas.drawImage(bitmap, 0, 0);
  let rgba = canvas.getImageData(0, 0, width, height).data;
  for (let n = 3; n < rgba.length; n += 4) {
    if (rgba[n] !== 255) {
      rgba = unblended(bitmap);
      break;
    }
  }
  bitmap.close();
  const data = new Uint8ClampedArray(3 * width * height);
  for (let n = 0, m = 0; n < data.length; n += 3, m += 4) {
    data[n] = rgba[m];
    data[n + 1] = rgba[m + 1];
    data[n + 2] = rgba[m + 2];
  }
  return { width, height, channels: 3, data };
}

function grey({ width, height, data }) {
  const found = new Uint8ClampedArray(width * height);
  for (let n = 0, m = 0; n < found.length; n += 1, m += 3) {
    found[n] = (19595 * data[m] + 38470 * data[m + 1] + 7471 * data[m + 2] + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: found };
}

// ---- resizing ----

const BITS = 22;

// For each of `to` pixels the first of the `from` pixels that it is made of, and their weights in 2^-22.
function weights(from, to) {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  const found = [];
  for (let place = 0; place < to; place += 1) {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), from);
    const share = [];
    let sum = 0;
    for (let n = 0; n < last - first; n += 1) {
      const weight = Math.max(1 - Math.abs((n + first - centre + 0.5) * (1 / reach)), 0);
      share.push(weight);
      sum += weight;
    }
    found.push({ first, share: Int32Array.from(share, (weight) => Math.trunc(0.5 + (sum ? weight / sum : weight) * 2 ** BITS)) });
  }
  return found;
}

// One direction: `lines` rows of `from` pixels become `to` pixels; `step` and `stride` say how pixels and rows lie.
function stretched(data, channels, from, to, lines, step, stride, outStep, outStride) {
  const found = new Uint8ClampedArray(channels * to * lines);
  const parts = weights(from, to);
  for (let line = 0; line < lines; line += 1) {
    for (let place = 0; place < to; place += 1) {
      const { first, share } = parts[place];
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 1 << (BITS - 1);
        let at = line * stride + first * step + channel;
        for (let n = 0; n < share.length; n += 1, at += step) sum += data[at] * share[n];
        found[line * outStride + place * outStep + channel] = sum >> BITS;
      }
    }
  }
  return found;
}

// Pillow 13 takes the height first where it shrinks much more than the width; the order decides how halves are rounded.
export function resize({ width, height, channels, data }, toWidth, toHeight, tallFirst) {
  if (tallFirst && height > toHeight && height - toHeight > 2 * (width - toWidth)) {
    const row = channels * width;
    const low = stretched(data, channels, height, toHeight, width, row, channels, row, channels);
    const outRow = channels * toWidth;
    return {
      width: toWidth, height: toHeight, channels,
      data: stretched(low, channels, width, toWidth, toHeight, channels, row, channels, outRow),
    };
  }
  const wide = stretched(data, channels, width, toWidth, height, channels, channels * width, channels, channels * toWidth);
  const row = channels * toWidth;
  return {
    width: toWidth, height: toHeight, channels,
    data: stretched(wide, channels, height, toHeight, toWidth, row, channels, row, channels),
  };
}

function crop({ width, height, channels, data }, left, top, right, bottom) {
  const row = channels * (right - left);
  const found = new Uint8ClampedArray(row * (bottom - top));
  for (let y = top; y < bottom; y += 1) {
    const at = channels * (y * width + left);
    found.set(data.subarray(at, at + row), (y - top) * row);
  }
  return { width: right - left, height: bottom - top, channels, data: found };
}

// Where a place beyond the edge takes its pixel from; -1 for black.
function beyond(place, size, mode) {
  if (place >= 0 && place < size) return place;
  if (mode === "border") return Math.min(Math.max(place, 0), size - 1);
  if (mode !== "reflection") return -1;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const there = ((place % period) + period) % period;
  return there < size ? there : period - there;
}

function pad(image, left, top, right, bottom, mode) {
  const { channels } = image;
  const [width, height] = [image.width + left + right, image.height + top + bottom];
  const data = new Uint8ClampedArray(channels * width * height);
  for (let y = 0; y < height; y += 1) {
    const fromY = beyond(y - top, image.height, mode);
    for (let x = 0; x < width; x += 1) {
      const fromX = beyond(x - left, image.width, mode);
      if (fromX < 0 || fromY < 0) continue;
      const [from, to] = [channels * (fromY * image.width + fromX), channels * (y * width + x)];
      for (let channel = 0; channel < channels; channel += 1) data[to + channel] = image.data[from + channel];
    }
  }
  return { width, height, channels, data };
}

// The part of an image that has the target's shape: inside it (crop) or around it (pad).
function shaped(image, width, height, method, mode) {
  const ratios = [image.width / width, image.height / height];
  const scale = method === "pad" ? Math.max(...ratios) : Math.min(...ratios);
  const [partWidth, partHeight] = [Math.trunc(scale * width), Math.trunc(scale * height)];
  if (!partWidth || !partHeight) throw refused(`This image of ${image.width} by ${image.height} pixels is too small.`);
  const [left, top] = [Math.trunc(0.5 * (image.width - partWidth)), Math.trunc(0.5 * (image.height - partHeight))];
  const [right, bottom] = [left + partWidth, top + partHeight];
  const inside = crop(
    image, Math.max(left, 0), Math.max(top, 0), Math.min(right, image.width), Math.min(bottom, image.height),
  );
  const edges = [left, top].map((edge) => Math.max(-edge, 0));
  edges.push(Math.max(right - image.width, 0), Math.max(bottom - image.height, 0));
  return edges.some(Boolean) ? pad(inside, ...edges, mode) : inside;
}

function halfEven(number) {
  const below = Math.floor(number);
  return number - below === 0.5 ? below + (below % 2) : Math.round(number);
}

// What a model that was trained on smaller copies sees.
function shrunk(image, { edge, fit }, tallFirst) {
  const { width, height } = image;
  let size = [width, height];
  if (fit === "both") {
    if (Math.min(width, height) > edge) size = [edge, edge];
  } else {
    const scale = edge / (fit === "short" ? Math.min(width, height) : Math.max(width, height));
    if (scale < 1) size = [width, height].map((length) => Math.max(1, halfEven(length * scale)));
  }
  return size[0] === width && size[1] === height ? image : resize(image, ...size, tallFirst);
}

/** Pixels to the network's input (channels, height, width), as `preprocessing` of the contract says. */
export function prepare(pixels, settings, tallFirst) {
  const [height, width] = settings.size;
  let image = settings.copy ? shrunk(pixels, settings.copy, tallFirst) : pixels;
  if (settings.channels === 1) image = grey(image);
  if (settings.resize === "squish") {
    image = resize(image, width, height, tallFirst);
  } else if (settings.resize === "random_resized_crop") {
    const edge = Math.floor(settings.margin / 2);
    const larger = resize(image, width + settings.margin, height + settings.margin, tallFirst);
    image = crop(larger, edge, edge, edge + width, edge + height);
  } else {
    const part = shaped(image, width, height, settings.resize, settings.pad_mode || "zeros");
    image = resize(part, width, height, tallFirst);
  }
  const { channels, data } = image;
  const found = new Float32Array(channels * width * height);
  const size = width * height;
  for (let channel = 0; channel < channels; channel += 1) {
    const mean = settings.mean && Math.fround(settings.mean[channel]);
    const std = settings.std && Math.fround(settings.std[channel]);
    for (let n = 0; n < size; n += 1) {
      const value = Math.fround(data[n * channels + channel] / 255);
      found[channel * size + n] = settings.mean ? Math.fround(value - mean) / std : value;
    }
  }
  return found;
}
