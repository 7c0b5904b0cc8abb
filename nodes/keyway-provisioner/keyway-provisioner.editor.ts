import { choices, fillSelect, layOut, showFor } from '../../editor/shared/form.ts';
import { nameOf } from '../../editor/shared/labels.ts';
import { provisionerButtons } from '../../editor/shared/provisioner-dialog.ts';
import { refill } from '../../editor/shared/refill.ts';
import { migrate } from '../shared/migrate.ts';
import { defaults, keySources, kinds, modeSets } from './config.ts';

RED.nodes.registerType('keyway-provisioner', {
  category: 'config',
  defaults: {
    name: { value: '' },
    kind: { value: 'embedded' },
    port: { value: '', type: 'keyway-port', required: false },
    modes: { value: 'both' },
    slots: { value: '8' },
    store: { value: '' },
    listen: { value: '' },
    address: { value: '' },
    device: { value: '' },
    takeover: { value: false },
    keySource: { value: 'file' },
    keyFile: { value: '' },
    keyVariable: { value: 'KEYWAY_PROVISIONER_KEY' },
    keyCredential: { value: 'keyway-provisioner' },
    version: { value: 1 },
  },
  paletteLabel: function () {
    return this._('keyway-provisioner.palette');
  },
  label: function () {
    const port = this.kind === 'link' ? undefined : RED.nodes.node(String(this.port ?? ''));
    const place = port ? nameOf(port) : String(this.address ?? '');
    const words = this._('keyway-provisioner.unnamed');
    return String(this.name || (place === '' ? words : `${words} @ ${place}`));
  },
  oneditprepare: function () {
    refill(this, migrate(this, defaults));
    const kind = fillSelect('#node-config-input-kind', choices(this, 'keyway-provisioner.kind', [...kinds]), this.kind);
    fillSelect('#node-config-input-modes', choices(this, 'keyway-provisioner.modes', [...modeSets]), this.modes);
    const source = fillSelect(
      '#node-config-input-keySource',
      choices(this, 'keyway-provisioner.keySource', [...keySources]),
      this.keySource,
    );
    for (const field of ['store', 'listen', 'keyFile', 'device']) {
      $(`#node-config-input-${field}`).attr('placeholder', this._(`keyway-provisioner.placeholder.${field}`));
    }
    $('#node-config-input-address').attr('placeholder', 'tls:gateway.local:7443');
    provisionerButtons(this);
    layOut(this._('keyway.label.options'));
    showFor(kind, [...kinds], () => String(kind.val()));
    showFor(source, [...keySources], () => String(source.val()));
  },
});
