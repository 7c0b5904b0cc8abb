/**
 * Puts migrated properties into a node whose dialog is opening, as the runtime half does at deploy: for one that an
 * older release saved, or that was written by hand. The dialog's fields were filled before; those that change are
 * filled again.
 */
export function refill(node: EditorNode, migrated: object): void {
  const definition = RED.nodes.getType(node.type);
  const prefix = definition?.category === 'config' ? 'node-config-input' : 'node-input';
  const values = new Map<string, unknown>(Object.entries(migrated));
  for (const key of Object.keys(definition?.defaults ?? {})) {
    const value = values.get(key);
    if (value === undefined || node[key] === value) continue;
    node[key] = value;
    const field = $(`#${prefix}-${key}`);
    if (field.is(':checkbox')) field.prop('checked', value === true);
    else field.val(String(value));
  }
}
