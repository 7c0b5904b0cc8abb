import { choices, fillSelect, layOut, showFor } from '../../editor/shared/form.ts';
import { keyButtons } from '../../editor/shared/key-buttons.ts';
import { refill } from '../../editor/shared/refill.ts';
import { upkeepButtons } from '../../editor/shared/registry-upkeep.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, keySources, previousSources } from './config.ts';

RED.nodes.registerType('keyway-registry', {
  category: 'config',
  defaults: {
    name: { value: '' },
    demo: { value: false },
    file: { value: '' },
    keySource: { value: 'file' },
    keyFile: { value: '' },
    keyVariable: { value: 'KEYWAY_KEYSTORE_KEY' },
    keyCredential: { value: 'keyway-keystore' },
    previousSource: { value: 'none' },
    previousFile: { value: '' },
    previousVariable: { value: 'KEYWAY_KEYSTORE_KEY_BEFORE' },
    previousCredential: { value: 'keyway-keystore-before' },
    backups: { value: '' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-registry.palette');
  },
  label: function () {
    return String(this.name || this.file || this._(`keyway-registry.unnamed.${this.demo === true ? 'demo' : 'real'}`));
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    $('#node-config-input-file').attr('placeholder', 'registry.sqlite');
    $('#node-config-input-keyFile').attr('placeholder', 'keystore.key');
    const source = fillSelect(
      '#node-config-input-keySource',
      choices(this, 'keyway-registry.keySource', [...keySources]),
      this.keySource,
    );
    const demo = $('#node-config-input-demo');
    showFor(source.add(demo), [...keySources, 'demo'], () =>
      demo.prop('checked') === true ? 'demo' : String(source.val()),
    );
    $('#node-config-input-previousFile').attr('placeholder', 'keystore-before.key');
    $('#node-config-input-backups').attr('placeholder', 'backups');
    const previous = fillSelect(
      '#node-config-input-previousSource',
      choices(this, 'keyway-registry.previousSource', [...previousSources]),
      this.previousSource,
    );
    showFor(
      previous,
      keySources.map((source) => `previous-${source}`),
      () => `previous-${previous.val()}`,
    );
    keyButtons(this);
    upkeepButtons(this);
    layOut(this._('keyway.label.options'));
  },
});
