"""Recordings: read to their end, mixed to one channel, brought to one rate, and made features that are the same bits in any chunks.

In: sound files, and manifests that name them (tables, NeMo and lhotse JSON lines, Kaldi folders, folders of files). Out: `Recordings`; a `Hearing`, which makes
features of them, at once or as a stream. What cannot be read is a `Reject` with its reason. wave.py → features.py, normalise.py → hearing.py; recordings.py →
manifests.py, kaldi.py → read.py. Needs `pip install 'tenuto[audio]'`: soundfile, soxr and kaldi-native-fbank, which are imported where they are used.
"""
