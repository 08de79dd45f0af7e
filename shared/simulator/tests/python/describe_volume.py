"""Opens a radar volume with a public reader and prints what the reader says of it, as JSON.

usage: describe_volume.py READER FILE [RAY ...]

READER is pyart-nexrad, pyart-odim, xradar-nexrad or xradar-odim. For each sweep the values of the given rays (numbers
in order of azimuth) are printed, null where the reader masks a gate.
"""

import json
import os
import sys
import warnings

os.environ["PYART_QUIET"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402

FIELDS = {
    "reflectivity": "DBZH",
    "reflectivity_horizontal": "DBZH",
    "velocity": "VRADH",
    "velocity_horizontal": "VRADH",
    "spectrum_width": "WRADH",
    "differential_reflectivity": "ZDR",
    "differential_phase": "PHIDP",
    "cross_correlation_ratio": "RHOHV",
}


def rows(values, azimuths, rays):
    """The chosen rows in order of azimuth, with None for masked and missing gates."""
    ordered = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)[np.argsort(azimuths)]
    return {str(ray): [None if np.isnan(v) else float(v) for v in ordered[ray]] for ray in rays}


def with_pyart(reader, path, rays):
    import pyart

    radar = pyart.io.read_nexrad_archive(path) if reader == "pyart-nexrad" else pyart.aux_io.read_odim_h5(path)
    sweeps = []
    for number in range(radar.nsweeps):
        azimuths = radar.get_azimuth(number) % 360.0
        fields = {
            name: rows(radar.get_field(number, field), azimuths, rays)
            for field, name in FIELDS.items()
            if field in radar.fields
        }
        ranges = radar.range["data"]
        sweeps.append(
            {
                "elevation_deg": float(radar.fixed_angle["data"][number]),
                "azimuths_deg": sorted(float(a) for a in azimuths),
                "first_gate_m": float(ranges[0]),
                "gate_spacing_m": float(ranges[1] - ranges[0]),
                "fields": fields,
            }
        )
    return {
        "lat_deg": float(radar.latitude["data"][0]),
        "lon_deg": float(radar.longitude["data"][0]),
        "height_m": float(radar.altitude["data"][0]),
        "time": radar.time["units"].split("since ")[1].rstrip("Z"),
        "sweeps": sweeps,
    }


def detected(moment, reader):
    """The values with those codes masked that mean "nothing there", which xradar leaves unmasked."""
    codes = np.round((moment.values - moment.encoding["add_offset"]) / moment.encoding["scale_factor"])
    nothing = [0, 1] if reader == "xradar-nexrad" else [moment.attrs["_Undetect"]]
    return np.ma.masked_where(np.isin(codes, nothing), moment.values)


def with_xradar(reader, path, rays):
    import xradar

    open_tree = (
        xradar.io.open_nexradlevel2_datatree if reader == "xradar-nexrad" else xradar.io.open_odim_datatree
    )
    tree = open_tree(path)
    sweeps = []
    for name in sorted((n for n in tree.children if n.startswith("sweep_")), key=lambda n: int(n[6:])):
        sweep = tree[name].to_dataset()
        azimuths = sweep["azimuth"].values % 360.0
        fields = {
            field: rows(detected(sweep[field], reader), azimuths, rays) for field in FIELDS.values() if field in sweep
        }
        ranges = sweep["range"].values
        sweeps.append(
            {
                "elevation_deg": float(sweep["sweep_fixed_angle"]),
                "azimuths_deg": sorted(float(a) for a in azimuths),
                "first_gate_m": float(ranges[0]),
                "gate_spacing_m": float(ranges[1] - ranges[0]),
                "fields": fields,
            }
        )
    return {
        "lat_deg": float(tree["latitude"]),
        "lon_deg": float(tree["longitude"]),
        "height_m": float(tree["altitude"]),
        "time": str(tree["time_coverage_start"].values).rstrip("Z"),
        "sweeps": sweeps,
    }


def main():
    reader, path, *rays = sys.argv[1:]
    describe = with_pyart if reader.startswith("pyart") else with_xradar
    json.dump(describe(reader, path, [int(ray) for ray in rays]), sys.stdout)


main()
