import { filesIn, fileTable } from '../../editor/shared/file-table.ts';
import { choices, fillSelect, layOut, NUMBER, SIZE, SWITCH, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { nvsRowsIn, nvsTable, nvsWords } from '../../editor/shared/nvs-table.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { nvsEncodings, nvsSchemes, nvsSources } from '../shared/nvs-rows.ts';
import { defaults, encryptions, identities, migrations, modes, nvsModes, sources } from './config.ts';

RED.nodes.registerType('keyway-flash-plan', {
  category: 'Keyway chips',
  color: '#E2D96E',
  icon: 'keyway-flash-plan.svg',
  defaults: {
    name: { value: '' },
    source: { value: 'msg' },
    images: { value: 'images' },
    imagesType: { value: 'msg' },
    path: { value: '' },
    pathType: { value: 'str' },
    files: { value: [] },
    mode: { value: 'as-is' },
    identity: { value: 'none' },
    identityFrom: { value: 'identity' },
    identityFromType: { value: 'msg' },
    broker: { value: 'identity.brokerHost' },
    brokerType: { value: 'msg' },
    brokerPort: { value: '8883' },
    brokerPortType: { value: 'num' },
    nvs: { value: 'none' },
    entries: { value: [] },
    nvsValue: { value: 'nvs' },
    nvsValueType: { value: 'msg' },
    partition: { value: 'nvs' },
    partitionType: { value: 'str' },
    nvsMode: { value: 'merge' },
    clears: { value: '' },
    clearsType: { value: 'str' },
    nvsScheme: { value: 'none' },
    nvsKey: { value: 'device.nvsKey' },
    nvsKeyType: { value: 'msg' },
    nvsOffset: { value: '' },
    nvsOffsetType: { value: 'str' },
    nvsSize: { value: '' },
    nvsSizeType: { value: 'str' },
    table: { value: 'device.partitions' },
    tableType: { value: 'msg' },
    keep: { value: '' },
    keepType: { value: 'str' },
    encryption: { value: 'refuse' },
    skip: { value: true },
    chip: { value: 'device.chip' },
    chipType: { value: 'msg' },
    flashSize: { value: 'device.flashSize' },
    flashSizeType: { value: 'msg' },
    dryRun: { value: 'false' },
    dryRunType: { value: 'bool' },
    force: { value: '' },
    forceType: { value: 'str' },
    timeout: { value: '' },
    timeoutType: { value: 'num' },
    version: { value: 2 },
  },
  inputs: 1,
  outputs: 1,
  paletteLabel: function () {
    return this._('keyway-flash-plan.palette');
  },
  label: function () {
    return labelFor(this, this._(`keyway-flash-plan.words.${this.source ?? defaults.source}`));
  },
  labelStyle: function () {
    return styleOf(this);
  },
  outputLabels: function () {
    return this._('keyway-flash-plan.output.result');
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults, migrations));
    const source = fillSelect(
      '#node-input-source',
      choices(this, 'keyway-flash-plan.source', [...sources]),
      this.source,
    );
    const ownRows = ['msg', 'files', 'demo', 'none', 'bootstrap'];
    showFor(source, [...ownRows, 'path'], () => {
      const now = String(source.val());
      return ownRows.includes(now) ? now : 'path';
    });
    typed('images', ['msg', 'flow', 'global', 'jsonata']);
    typed('path', TEXT, this._('keyway-flash-plan.placeholder.path'));
    fillSelect('#node-input-mode', choices(this, 'keyway-flash-plan.mode', [...modes]), this.mode);
    fileTable($('#keyway-flash-plan-files'), this.files, {
      path: this._('keyway-flash-plan.placeholder.file'),
      offset: this._('keyway-flash-plan.placeholder.offset'),
    });
    prepareIdentity(this);
    prepareNvs(this);
    typed('table', ['msg', 'flow', 'global', 'jsonata']);
    typed('keep', TEXT, this._('keyway.placeholder.none'));
    fillSelect(
      '#node-input-encryption',
      choices(this, 'keyway-flash-plan.encryption', [...encryptions]),
      this.encryption,
    );
    typed('chip', TEXT, this._('keyway-flash-plan.placeholder.chip'));
    typed('flashSize', SIZE, this._('keyway-flash-plan.placeholder.flashSize'));
    typed('dryRun', SWITCH);
    typed('force', TEXT, this._('keyway.placeholder.none'));
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
  oneditsave: function () {
    this.files = filesIn($('#keyway-flash-plan-files'));
    this.entries = nvsRowsIn($('#keyway-flash-plan-entries'));
    return undefined;
  },
});

/** The part of the dialog that is about the unit's identity: what its firmware keeps beside the certificate. */
function prepareIdentity(node: EditorNode): void {
  const identity = fillSelect(
    '#node-input-identity',
    choices(node, 'keyway-flash-plan.identity', [...identities]),
    node.identity,
  );
  typed('identityFrom', ['msg', 'flow', 'global', 'jsonata']);
  typed('broker', TEXT, node._('keyway.placeholder.none'));
  typed('brokerPort', NUMBER);
  const values = identities.map((layout) => `identity-${layout}`);
  showFor(identity, values, () => `identity-${String(identity.val())}`);
}

/** The part of the dialog that is about NVS: shown once its entries come from somewhere. */
function prepareNvs(node: EditorNode): void {
  const from = ['none', ...nvsSources];
  const nvs = fillSelect('#node-input-nvs', choices(node, 'keyway-flash-plan.nvs', from), node.nvs);
  typed('nvsValue', ['msg', 'str', 'flow', 'global', 'jsonata']);
  nvsTable($('#keyway-flash-plan-entries'), node.entries, nvsWords(node, nvsEncodings));
  typed('partition', TEXT);
  fillSelect('#node-input-nvsMode', choices(node, 'keyway-flash-plan.nvsMode', [...nvsModes]), node.nvsMode);
  typed('clears', TEXT, node._('keyway.placeholder.none'));
  const scheme = fillSelect(
    '#node-input-nvsScheme',
    choices(node, 'keyway.nvs.schemes', [...nvsSchemes]),
    node.nvsScheme,
  );
  typed('nvsKey', ['msg', 'flow', 'global', 'jsonata']);
  typed('nvsOffset', SIZE, node._('keyway-flash-plan.placeholder.fromTable'));
  typed('nvsSize', SIZE, node._('keyway-flash-plan.placeholder.fromTable'));
  const prefixed = (prefix: string, values: readonly string[]): string[] => values.map((value) => `${prefix}-${value}`);
  showFor(scheme, prefixed('scheme', nvsSchemes), () => `scheme-${String(scheme.val())}`);
  // Where the entries lie, and how, is asked for an identity too.
  const written = nvs.add('#node-input-identity');
  showFor(written, prefixed('nvs', [...from, 'identity']), () => {
    const entries = String(nvs.val());
    return `nvs-${entries === 'none' && $('#node-input-identity').val() !== 'none' ? 'identity' : entries}`;
  });
}
