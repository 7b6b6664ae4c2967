// Turns strokes into the 64 numbers of the digits data set. Its makers scanned handwriting, fitted each digit into 20 columns and 32 rows,
// brought the strokes to an even thickness, set the slant upright, centred the result in a bitmap of 32 x 32, and counted the set pixels of
// each block of 4 x 4: 64 counts from 0 to 16. Strokes are lines here, so the same is done to the lines, which are then drawn once.

export const SIDE = 32;
export const BLOCK = 4;
const BOX_WIDTH = 20;
// Set pixels of a digit: the mean over the data set is 312, between 303 (7) and 330 (8).
const INK = 312;
const THINNEST = 1;
const THICKEST = 5;
// How much one direction may be stretched against the other: a 1 stays narrow, as in the data.
const STRETCH = 1.6;
// At most this many columns between the ends of an upright line are taken for slant.
const MOST_SLANT = 8;

/** The 64 counts of strokes, row by row, or null if there are none. A stroke is an array of points [x, y], y downwards, in any unit. */
export function countsOf(strokes) {
  const bitmap = bitmapOf(strokes);
  if (!bitmap) return null;
  const blocks = SIDE / BLOCK;
  const counts = new Array(blocks * blocks).fill(0);
  bitmap.forEach((set, i) => {
    const row = Math.floor(i / SIDE);
    counts[Math.floor(row / BLOCK) * blocks + Math.floor((i % SIDE) / BLOCK)] += set;
  });
  return counts;
}

/** The 32 x 32 bitmap of strokes, 0 or 1 a pixel, or null if there are none. */
export function bitmapOf(strokes) {
  const drawn = strokes.filter(stroke => stroke.length > 0);
  if (drawn.length === 0) return null;

  // The pen whose ink is the data's: thicker for a 1 than for an 8.
  let thin = THINNEST;
  let thick = THICKEST;
  let bitmap = null;
  for (let i = 0; i < 7; i++) {
    const radius = (thin + thick) / 2;
    bitmap = paint(fit(drawn, radius), radius);
    const ink = bitmap.reduce((sum, set) => sum + set, 0);
    if (ink < INK) thin = radius;
    else thick = radius;
  }
  return bitmap;
}

/** The strokes in the bitmap's coordinates, for a pen of this radius. */
function fit(strokes, radius) {
  const box = bounds(strokes);
  const width = Math.max(box.right - box.left, 1e-6);
  const height = Math.max(box.bottom - box.top, 1e-6);
  const freeWidth = BOX_WIDTH - 2 * radius;
  const freeHeight = SIDE - 2 * radius;
  const scaleX = Math.min(freeWidth / width, STRETCH * freeHeight / height);
  const scaleY = Math.min(freeHeight / height, STRETCH * scaleX);
  const upright = withoutSlant(strokes.map(stroke => stroke.map(([x, y]) => [(x - box.left) * scaleX, (y - box.top) * scaleY])));
  const placed = bounds(upright);
  const moveX = (SIDE - placed.left - placed.right) / 2;
  const moveY = (SIDE - placed.top - placed.bottom) / 2;
  return upright.map(stroke => stroke.map(([x, y]) => [x + moveX, y + moveY]));
}

/** Shears so that the leftmost ink at the top and the leftmost ink at the bottom stand above each other: the data set's own rule. */
function withoutSlant(strokes) {
  const box = bounds(strokes);
  const height = box.bottom - box.top;
  if (height < SIDE / 2) return strokes;
  const points = strokes.flat();
  const margin = 0.06 * height;
  const topLeft = Math.min(...points.filter(([, y]) => y <= box.top + margin).map(([x]) => x));
  const bottomLeft = Math.min(...points.filter(([, y]) => y >= box.bottom - margin).map(([x]) => x));
  const slant = Math.max(-MOST_SLANT, Math.min(MOST_SLANT, topLeft - bottomLeft)) / height;
  return strokes.map(stroke => stroke.map(([x, y]) => [x + slant * (y - box.top), y]));
}

function bounds(strokes) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const [x, y] of strokes.flat()) {
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  }
  return box;
}

/** Sets the pixels whose centre lies within the radius of a line. */
function paint(strokes, radius) {
  const bitmap = new Uint8Array(SIDE * SIDE);
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i++) paintLine(bitmap, stroke[Math.max(i - 1, 0)], stroke[i], radius);
  }
  return bitmap;
}

function paintLine(bitmap, [x0, y0], [x1, y1], radius) {
  const first = value => Math.max(0, Math.floor(value - radius));
  const last = value => Math.min(SIDE - 1, Math.ceil(value + radius));
  const dx = x1 - x0;
  const dy = y1 - y0;
  const squaredLength = dx * dx + dy * dy;
  for (let row = first(Math.min(y0, y1)); row <= last(Math.max(y0, y1)); row++) {
    for (let column = first(Math.min(x0, x1)); column <= last(Math.max(x0, x1)); column++) {
      const px = column + 0.5 - x0;
      const py = row + 0.5 - y0;
      const along = squaredLength > 0 ? Math.max(0, Math.min(1, (px * dx + py * dy) / squaredLength)) : 0;
      if (Math.hypot(px - along * dx, py - along * dy) <= radius) bitmap[row * SIDE + column] = 1;
    }
  }
}
