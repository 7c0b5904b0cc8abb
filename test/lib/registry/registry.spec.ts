import { registrySuite } from './suite.ts';
import { Place } from './support.ts';

registrySuite('an SQLite file', async () => {
  const place = new Place();
  return { registry: await place.filled(), clock: place.clock, done: () => place.done() };
});
