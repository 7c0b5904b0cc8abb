// Puts example flows together for one Node-RED: ids made unique a file, TCP ports of virtual chips made free ones.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const EXAMPLES = join('examples', 'flows');

/** What `npm start` opens with: the guided tab first. All other examples come by Import. */
export const STARTERS = [
  join('01-flash', 'Start here.json'),
  join('01-flash', 'Wrong chip caught.json'),
  join('02-bench', 'Console with reset.json'),
  join('04-identity', 'Provisioning mode, end to end.json'),
  join('06-provisioner', 'Commission a door row.json'),
];

/**
 * @param {string[]} files below examples/flows
 * @param {() => Promise<number>} freePort
 * @returns {Promise<object[]>} one flows file
 */
export async function composeFlows(files, freePort) {
  const all = [];
  for (const file of files) {
    const nodes = JSON.parse(readFileSync(join(EXAMPLES, file), 'utf8'));
    const ids = new Map(
      nodes.map((node) => [node.id, createHash('sha256').update(file).update(node.id).digest('hex').slice(0, 16)]),
    );
    for (const node of nodes) {
      const renamed = rename(node, ids);
      for (const field of ['rfc2217Port', 'tcpPort']) if (Number(renamed[field]) > 0) renamed[field] = await freePort();
      all.push(renamed);
    }
  }
  return all;
}

/** A copy in which every string that is one of the ids is the new id: wires, z, g, config references. */
function rename(value, ids) {
  if (typeof value === 'string') return ids.get(value) ?? value;
  if (Array.isArray(value)) return value.map((item) => rename(item, ids));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rename(item, ids)]));
}
