// The head of the page: which model answers, and is all well? Asks again and again, so that a replaced model shows by itself.
import { getHealth, getModel } from './api.js';

const PERIOD = 2000;

/** Keeps the head up to date; calls onModel with the model's description whenever another one answers. */
export function watchStatus(byId, onModel) {
  let known = null;

  async function look() {
    try {
      const health = await getHealth();
      const state = health.modelVersion || health.fault ? health.status : 'waiting';
      show(state, state === 'waiting' ? 'getting ready' : health.status, health.status === 'healthy' ? '' : health.detail);
      if (health.modelVersion && health.modelVersion !== known) {
        const model = await getModel();
        known = model.version;
        byId('model-version').textContent = model.version.slice(0, 8);
        byId('model-version').title = model.version;
        byId('model-loaded').textContent = new Date(model.loadedAt).toLocaleTimeString();
        onModel(model);
      }
    } catch (problem) {
      show('unhealthy', 'no answer', problem.message);
    }
    setTimeout(look, PERIOD);
  }

  function show(state, text, notice) {
    const place = byId('model-state');
    place.dataset.state = state;
    if (place.textContent !== text) place.textContent = text;
    if (byId('notice').textContent !== notice) byId('notice').textContent = notice;
    byId('notice').hidden = notice === '';
  }

  look();
}
