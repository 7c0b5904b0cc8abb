/** As much of the editor's API as our halves use; what Node-RED 4.1 and 5 have in common. */

/** A node as the editor holds it. */
interface EditorNode {
  id: string;
  type: string;
  name?: string;
  label?: string;
  _(key: string, values?: Record<string, string>): string;
  [property: string]: unknown;
}

interface EditorProperty {
  value: unknown;
  type?: string;
  required?: boolean;
  validate?: (this: EditorNode, value: unknown, options?: object) => boolean | string;
}

interface EditorNodeDefinition {
  category: string;
  /** For a configuration node: false when it counts without a node that points at it. */
  hasUsers?: boolean;
  defaults: Record<string, EditorProperty>;
  credentials?: Record<string, { type: 'text' | 'password' }>;
  color?: string;
  icon?: string;
  inputs?: number;
  outputs?: number;
  paletteLabel?: string | ((this: EditorNode) => string);
  label: string | ((this: EditorNode) => string);
  labelStyle?: string | ((this: EditorNode) => string);
  inputLabels?: string | ((this: EditorNode, index: number) => string);
  outputLabels?: string[] | ((this: EditorNode, index: number) => string);
  categoryDescription?: string;
  oneditprepare?: (this: EditorNode) => void;
  oneditsave?: (this: EditorNode) => boolean | undefined;
  oneditcancel?: (this: EditorNode) => void;
  oneditresize?: (this: EditorNode, size: { width: number; height: number }) => void;
}

interface TypedInputType {
  value: string;
  label?: string;
  icon?: string;
  hasValue?: boolean;
  options?: { value: string; label: string }[];
  validate?: (value: string) => boolean;
}

interface TypedInputOptions {
  default?: string;
  types: (string | TypedInputType)[];
  typeField?: string;
}

interface EditorAPI {
  nodes: {
    registerType(type: string, definition: EditorNodeDefinition): void;
    getType(type: string): EditorNodeDefinition | undefined | null;
    node(id: string): EditorNode | undefined | null;
    eachConfig(visit: (node: EditorNode) => boolean | undefined): void;
  };
  notify(text: string, options?: { type?: 'success' | 'warning' | 'error'; timeout?: number }): void;
  _(key: string, values?: Record<string, string>): string;
}

declare const RED: EditorAPI;

interface EditableListOptions<T> {
  header?: JQuery;
  sortable?: boolean;
  removable?: boolean;
  height?: number | 'auto';
  addItem(row: JQuery, index: number, data: Partial<T>): void;
}

interface JQuery {
  typedInput(options: TypedInputOptions): JQuery;
  typedInput(method: 'value' | 'type'): string;
  typedInput(method: 'value' | 'type', value: string): JQuery;
  typedInput(method: 'types', types: (string | TypedInputType)[]): JQuery;
  typedInput(method: 'width', width: string): JQuery;
  typedInput(method: 'show' | 'hide'): JQuery;
  editableList<T>(options: EditableListOptions<T>): JQuery;
  editableList(method: 'addItem', item: object): JQuery;
  editableList(method: 'items'): JQuery;
  autoComplete(options: {
    minLength?: number;
    search(value: string, done: (matches: { value: string; label: string | JQuery }[]) => void): void;
  }): JQuery;
}
