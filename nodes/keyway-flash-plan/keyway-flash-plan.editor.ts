import { filesIn, fileTable } from '../../editor/shared/file-table.ts';
import { choices, fillSelect, layOut, NUMBER, SIZE, SWITCH, showFor, TEXT, typed } from '../../editor/shared/form.ts';
import { labelFor, styleOf } from '../../editor/shared/labels.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, modes, sources } from './config.ts';

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
    version: { value: 1 },
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
    refill(this, migrate(this, defaults));
    const source = fillSelect(
      '#node-input-source',
      choices(this, 'keyway-flash-plan.source', [...sources]),
      this.source,
    );
    showFor(source, ['msg', 'path', 'files', 'demo'], () => {
      const now = String(source.val());
      return now === 'msg' || now === 'files' || now === 'demo' ? now : 'path';
    });
    typed('images', ['msg', 'flow', 'global', 'jsonata']);
    typed('path', TEXT, this._('keyway-flash-plan.placeholder.path'));
    fillSelect('#node-input-mode', choices(this, 'keyway-flash-plan.mode', [...modes]), this.mode);
    typed('chip', TEXT, this._('keyway-flash-plan.placeholder.chip'));
    typed('flashSize', SIZE, this._('keyway-flash-plan.placeholder.flashSize'));
    typed('dryRun', SWITCH);
    typed('force', TEXT, this._('keyway.placeholder.none'));
    fileTable($('#keyway-flash-plan-files'), this.files, {
      path: this._('keyway-flash-plan.placeholder.file'),
      offset: this._('keyway-flash-plan.placeholder.offset'),
    });
    typed('timeout', NUMBER, this._('keyway.placeholder.none'));
    layOut(this._('keyway.label.options'));
  },
  oneditsave: function () {
    this.files = filesIn($('#keyway-flash-plan-files'));
    return undefined;
  },
});
