export { TraceDecoder, type TraceDecoderOptions, type TraceLine } from './decode.ts';
export { isSecret, maskBytes, maskCapture } from './mask.ts';
export { type CaptureRecord, formatOsdpcap, parseOsdpcap } from './osdpcap.ts';
export { replayCapture, TraceRecorder, type TraceSink } from './recorder.ts';
