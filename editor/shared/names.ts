/** A name that no config node of the type has: the first <prefix>-<n>, counted from 1. */
export function freeName(type: string, prefix: string): string {
  const taken = new Set<unknown>();
  RED.nodes.eachConfig((node) => {
    if (node.type === type) taken.add(node.name);
    return undefined;
  });
  let n = 1;
  while (taken.has(`${prefix}-${n}`)) n++;
  return `${prefix}-${n}`;
}
