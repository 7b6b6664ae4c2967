// The service's routes. A refusal arrives as an exception with the problem details of RFC 9457.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The service answered ${status}.`);
    this.status = status;
    this.title = body.title || `The service answered ${status}`;
    this.errors = body.errors || [];
  }
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { title: 'The service does not answer', detail: 'Is it still running? The page asks again by itself.' });
  }
  const body = await response.json().catch(() => ({}));
  // /health tells its state with 503 as well: its body is an answer, not a refusal.
  if (!response.ok && path !== 'health') throw new Problem(response.status, body);
  return body;
}

const post = (path, value, signal) =>
  ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value), signal });

export const getModel = () => ask('model');
export const getHealth = () => ask('health');
export const scoreRow = (features, signal) => post('score', { features }, signal);
export const scoreRows = (rows, signal) => post('score/batch', { rows }, signal);
