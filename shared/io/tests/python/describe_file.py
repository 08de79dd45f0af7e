"""Opens a file that raincell wrote with a public reader and prints what the reader says of it, as JSON.

usage: describe_file.py geotiff|netcdf FILE        bands or variables, georeference, values
       describe_file.py cf FILE                    what the CF checker has against it, by severity
       describe_file.py members-LIBRARY FILE       the second member at the first step and the last at the last, as
                                                   netCDF4, scipy or gdal finds them
"""

import json
import subprocess
import sys
import tempfile

import numpy as np


def plain(values):
    return [[None if np.isnan(v) else float(v) for v in row] for row in np.asarray(values, dtype=float)]


def corners(crs, bounds):
    """Longitude and latitude of the upper left and lower right corner."""
    from rasterio.warp import transform

    xs, ys = [bounds.left, bounds.right], [bounds.top, bounds.bottom]
    lons, lats = transform(crs, "EPSG:4326", xs, ys)
    return [[lons[0], lats[0]], [lons[1], lats[1]]]


def geotiff(path):
    import rasterio

    with rasterio.open(path) as file:
        return {
            "driver": file.driver,
            "count": file.count,
            "shape": list(file.shape),
            "types": list(file.dtypes),
            "transform": list(file.transform)[:6],
            "corners": corners(file.crs, file.bounds),
            "nodata_is_nan": file.nodata is not None and bool(np.isnan(file.nodata)),
            "names": list(file.descriptions),
            "units": list(file.units),
            "bands": [plain(file.read(number + 1)) for number in range(file.count)],
        }


def netcdf(path):
    import netCDF4

    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        return {
            "dimensions": {name: len(d) for name, d in file.dimensions.items()},
            "variables": {name: list(v.dimensions) for name, v in file.variables.items()},
            "last": plain(file["rain_rate"][-1]),
        }


def cf(path):
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        from compliance_checker.runner import CheckSuite, ComplianceChecker

        CheckSuite.load_all_available_checkers()
        ComplianceChecker.run_checker(path, ["cf:1.11"], 0, "strict", output_filename=report.name, output_format="json")
        found = json.load(open(report.name))["cf:1.11"]
    said = {}
    for severity in ("high_priorities", "medium_priorities", "low_priorities"):
        said[severity] = [message for check in found[severity] for message in check["msgs"]]
    return said


def members_netcdf4(path):
    import netCDF4

    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        members = file["rain_rate_members"]
        return {"shape": list(members.shape), "second": plain(members[1, 0]), "last": plain(members[-1, -1])}


def members_scipy(path):
    from scipy.io import netcdf_file

    with netcdf_file(path, mmap=True) as file:
        members = file.variables["rain_rate_members"].data
        found = {"shape": list(members.shape), "second": plain(members[1, 0]), "last": plain(members[-1, -1])}
        del members
        return found


def members_gdal(path):
    import rasterio

    # A band is a step of a member.
    with rasterio.open(f"netcdf:{path}:rain_rate_members") as file:
        steps = len(file.tags()["NETCDF_DIM_time_VALUES"].split(","))
        return {
            "shape": [file.count // steps, steps, *file.shape],
            "second": plain(file.read(steps + 1)),
            "last": plain(file.read(file.count)),
        }


READERS = {
    "geotiff": geotiff,
    "netcdf": netcdf,
    "cf": cf,
    "members-netCDF4": members_netcdf4,
    "members-scipy": members_scipy,
    "members-gdal": members_gdal,
}


def main():
    kind, path = sys.argv[1:]
    found = READERS[kind](path)
    json.dump(found, sys.stdout)


main()
