// The drawing area: strokes from mouse, pen, finger or keyboard, in units of the area's side. Calls onChange(finished) while drawing
// (false) and when a stroke ends or goes (true).

const STEP = 1 / 32;
const LINE = 0.055;

export class Pad {
  strokes = [];
  #canvas;
  #onChange;
  #pointer = null;
  #pen = { x: 0.5, y: 0.15, down: false, shown: false };

  constructor(canvas, onChange) {
    this.#canvas = canvas;
    this.#onChange = onChange;
    canvas.addEventListener('pointerdown', event => this.#begin(event));
    canvas.addEventListener('pointermove', event => this.#move(event));
    for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, event => this.#end(event));
    canvas.addEventListener('keydown', event => this.#key(event));
    canvas.addEventListener('blur', () => this.#leave());
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#paint());
    this.#resize();
  }

  undo() {
    this.strokes.pop();
    this.#pen.down = false;
    this.#changed(true);
  }

  clear() {
    this.strokes = [];
    this.#pen = { x: 0.5, y: 0.15, down: false, shown: this.#pen.shown };
    this.#changed(true);
  }

  #begin(event) {
    if (this.#pointer !== null || event.button > 0) return;
    this.#pointer = event.pointerId;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pen.down = this.#pen.shown = false;
    this.strokes.push([this.#place(event)]);
    this.#changed(false);
  }

  #move(event) {
    if (event.pointerId !== this.#pointer) return;
    // A fast hand moves several times between two frames.
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length > 0 ? moves : [event]) this.strokes.at(-1).push(this.#place(move));
    this.#changed(false);
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#changed(true);
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    const within = value => Math.max(0, Math.min(1, value));
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in moves) this.#step(...moves[event.key]);
    else if (event.key === ' ' || event.key === 'Enter') this.#togglePen();
    else if (event.key === 'Backspace') this.undo();
    else if (event.key === 'Escape' || event.key === 'Delete') this.clear();
    else return;
    event.preventDefault();
  }

  #step(right, down) {
    const pen = this.#pen;
    pen.shown = true;
    pen.x = Math.max(0, Math.min(1, pen.x + right * STEP));
    pen.y = Math.max(0, Math.min(1, pen.y + down * STEP));
    if (!pen.down) return this.#paint();
    this.strokes.at(-1).push([pen.x, pen.y]);
    this.#changed(false);
  }

  #togglePen() {
    const pen = this.#pen;
    pen.shown = true;
    pen.down = !pen.down;
    if (pen.down) this.strokes.push([[pen.x, pen.y]]);
    this.#changed(!pen.down);
  }

  /** Leaving the area lifts the pen. */
  #leave() {
    const wasDown = this.#pen.down;
    this.#pen.shown = this.#pen.down = false;
    if (wasDown) this.#changed(true);
    else this.#paint();
  }

  #changed(finished) {
    this.#paint();
    this.#onChange(finished);
  }

  #resize() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (side > 0 && this.#canvas.width !== side) this.#canvas.width = this.#canvas.height = side;
    this.#paint();
  }

  #paint() {
    const side = this.#canvas.width;
    const context = this.#canvas.getContext('2d');
    context.clearRect(0, 0, side, side);
    // From color and caret-color: a custom property would come as both of its light-dark() values.
    const style = getComputedStyle(this.#canvas);
    context.strokeStyle = style.color;
    context.lineWidth = LINE * side;
    context.lineCap = context.lineJoin = 'round';
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(stroke[0][0] * side, stroke[0][1] * side);
      for (const [x, y] of stroke) context.lineTo(x * side, y * side);
      context.stroke();
    }
    if (this.#pen.shown) this.#paintPen(context, side, style.caretColor);
  }

  #paintPen(context, side, colour) {
    const { x, y, down } = this.#pen;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = Math.max(2, side / 130);
    context.beginPath();
    context.arc(x * side, y * side, LINE * side * 0.75, 0, 2 * Math.PI);
    if (down) context.fill();
    else context.stroke();
  }
}
