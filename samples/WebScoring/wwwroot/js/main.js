import { DigitReader } from './digit.js';
import { watchStatus } from './status.js';
import { TableScorer } from './table.js';

const byId = id => document.getElementById(id);
const reader = new DigitReader(byId);
const table = new TableScorer(byId);
reader.showClasses(Array.from({ length: 10 }, (_, i) => String(i)));
watchStatus(byId, model => {
  reader.showClasses(model.classes);
  table.useModel(model);
});
