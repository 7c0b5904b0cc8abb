/** What a node is called on the canvas when nobody named it: its verb, and the port it works on. */
export function labelFor(node: EditorNode, words: string): string {
  if (typeof node.name === 'string' && node.name !== '') return node.name;
  const port = typeof node.port === 'string' && node.port !== '' ? RED.nodes.node(node.port) : undefined;
  return port ? `${words} @ ${nameOf(port)}` : words;
}

/** The family of the virtual chip that a port leads to, for a label; nothing where only looking would tell. */
export function chipBehind(port: unknown): string {
  const node = RED.nodes.node(String(port));
  const chip = node?.kind === 'virtual' ? RED.nodes.node(String(node.chip)) : undefined;
  return chip ? chip._(`keyway-virtual-chip.model.${String(chip.model)}`) : '';
}

/** A config node's label as its own definition makes it. */
export function nameOf(node: EditorNode): string {
  const label = RED.nodes.getType(node.type)?.label;
  if (typeof label === 'function') return label.call(node);
  return node.name || node.id;
}

/** Italic when a person named it, as in Node-RED's own nodes. */
export function styleOf(node: EditorNode): string {
  return node.name ? 'node_label_italic' : '';
}
