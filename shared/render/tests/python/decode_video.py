"""Decodes an MP4 by FFmpeg (PyAV): a line of JSON about it, and its pictures as RGB, one after the other.

decode_video.py FILE.mp4 PICTURES.rgb
"""

import json
import sys

import av
from av.video.reformatter import ColorRange, Colorspace

with av.open(sys.argv[1]) as container, open(sys.argv[2], "wb") as pictures:
    stream = container.streams.video[0]
    times, kinds = [], []
    for frame in container.decode(stream):
        times.append(float(frame.time))
        kinds.append(bool(frame.key_frame))
        rgb = frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709, src_color_range=ColorRange.MPEG)
        plane = rgb.planes[0]
        data = bytes(plane)
        for row in range(rgb.height):
            pictures.write(data[row * plane.line_size : row * plane.line_size + 3 * rgb.width])
    context = stream.codec_context
    print(json.dumps({
        "codec": context.name, "profile": str(context.profile), "pixels": context.pix_fmt,
        "width": context.width, "height": context.height, "streams": len(container.streams),
        "colour": [int(context.color_primaries), int(context.color_trc), int(context.colorspace), int(context.color_range)],
        "times": times, "keys": kinds, "seconds": float(stream.duration * stream.time_base),
    }))
