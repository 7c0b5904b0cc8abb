"""Runs Espressif's NVS generator over many inputs in one process; see nvs.spec.ts.

Reads jobs.json in the folder that is the only argument: a list of
{"input": csv, "output": bin, "size": "0x4000", "key": hex or null} and {"hmac": file, "keyfile": bin}.
"""
import contextlib
import io
import json
import os
import sys
from types import SimpleNamespace

from esp_idf_nvs_partition_gen import nvs_partition_gen as generator

folder = sys.argv[1]
os.chdir(folder)
with open('jobs.json', encoding='utf8') as file:
    jobs = json.load(file)
for job in jobs:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if 'hmac' in job:
            generator.generate_key(SimpleNamespace(
                keyfile=job['keyfile'], outdir=folder, key_protect_hmac=True,
                kp_hmac_keygen=False, kp_hmac_keyfile=None, kp_hmac_inputkey=job['hmac']))
        else:
            key = job['key'] and bytes.fromhex(job['key'])
            generator.generate(
                SimpleNamespace(input=[job['input']], output=job['output'], size=job['size'], version=2, outdir=folder),
                is_encr_enabled=key is not None, encr_key=key)
print(len(jobs))
