//! Real files against figures that other readers give: Py-ART 2.3 for NEXRAD Level II, h5py 3 for ODIM_H5, ecCodes 2.50
//! for GRIB2.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;

use raincell_io::{RawScan, ReadOptions, nexrad, odim, read};
use raincell_model::{GridQuantity, GridScan, Moment, PolarVolume, Quantity, Sample, Sweep};
use support::{data, files_below, load};

fn volume(path: &Path, options: &ReadOptions) -> PolarVolume {
    let (name, bytes) = load(path);
    match read(&bytes, &name, options) {
        Ok(RawScan::Volume(volume)) => volume,
        other => panic!("{name}: {:?}", other.err()),
    }
}

fn grid(path: &Path) -> GridScan {
    let (name, bytes) = load(path);
    match read(&bytes, &name, &ReadOptions::default()) {
        Ok(RawScan::Grid(grid)) => grid,
        other => panic!("{name}: {:?}", other.err()),
    }
}

/// (number of values, their sum).
fn count_and_sum<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> (usize, f64) {
    let values = samples.into_iter().filter_map(|s| s.as_value());
    values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + f64::from(value)))
}

fn check(what: &str, moment: &Moment, shape: (usize, usize), count: usize, sum: f64) {
    let found = count_and_sum(&moment.data);
    assert_eq!((moment.data.dim(), found.0), (shape, count), "{what}");
    assert!((found.1 - sum).abs() <= sum.abs() * 1e-6 + 1e-3, "{what}: sum {} instead of {sum}", found.1);
}

fn moment<'a>(sweep: &'a Sweep, quantity: &Quantity) -> &'a Moment {
    sweep.moment(quantity).expect("the moment")
}

fn chunks(data: &Path) -> Vec<(String, Vec<u8>)> {
    files_below(&data.join("raw/nexrad-chunks/KLOT-20210729-123848")).iter().map(|path| load(path)).collect()
}

#[test]
fn archive_volumes_hold_what_py_art_reads() {
    let Some(data) = data() else { return };
    let file = |name: &str| volume(&data.join("raw/nexrad").join(name), &ReadOptions::default());
    let (dbzh, zdr, rhohv, phidp) = (&Quantity::Dbzh, &Quantity::Zdr, &Quantity::Rhohv, &Quantity::Phidp);

    let ktlx = file("KTLX20190715_120037_V06");
    assert_eq!((ktlx.sweeps.len(), ktlx.site.height_m), (7, 389.0));
    assert!((ktlx.site.lat_deg - 35.333_362_58).abs() < 1e-6 && (ktlx.site.lon_deg + 97.277_763_37).abs() < 1e-6);
    let low = &ktlx.sweeps[0];
    assert_eq!((low.azimuths_deg[0], low.azimuths_deg[1]), (0.249_938_96, 0.752_563_5));
    assert_eq!((moment(low, dbzh).first_gate_m, moment(low, dbzh).gate_spacing_m), (2125.0, 250.0));
    check("KTLX 2019 Z", moment(low, dbzh), (720, 1832), 322_559, 985_572.0);
    check("KTLX 2019 ZDR", moment(low, zdr), (720, 1192), 311_738, 1_904_562.0);
    check("KTLX 2019 RHOHV", moment(low, rhohv), (720, 1192), 311_738, 224_736.252_553);
    check("KTLX 2019 PHIDP", moment(low, phidp), (720, 1192), 311_738, 27_594_166.347_897);
    check("KTLX 2019 V", moment(&ktlx.sweeps[1], &Quantity::Vradh), (720, 1192), 296_435, -298_479.0);
    check("KTLX 2019 W", moment(&ktlx.sweeps[1], &Quantity::Wradh), (720, 1192), 296_435, 728_826.0);

    let klsx = file("KLSX20251229_065156_V06");
    assert_eq!(klsx.sweeps.len(), 10);
    check("KLSX 2025", moment(&klsx.sweeps[0], dbzh), (720, 1832), 86_928, -1_009_368.0);
    let kcrp = file("KCRP20210101_000031_V06");
    check("KCRP 2021", moment(&kcrp.sweeps[2], dbzh), (720, 1832), 75_144, -901_671.0);
    let v03 = file("KTLX20100501_000444_V03.gz");
    check("KTLX 2010", moment(&v03.sweeps[0], dbzh), (720, 1832), 148_735, -123_833.5);
    // Cut between records: what is there is whole.
    let kdax = file("KDAX20160510_153745_V06.gz");
    assert_eq!(kdax.sweeps.len(), 2);
    check("KDAX 2016", moment(&kdax.sweeps[0], dbzh), (714, 1832), 213_255, 496_942.0);
}

#[test]
fn legacy_volumes_read_with_their_place_from_the_registry() {
    let Some(data) = data() else { return };
    // Py-ART spreads each 1-km gate over four: its counts and sums are four times these.
    for (name, sweeps, count, sum) in [
        ("nexrad-legacy/KBGM20050821_024323.gz", 11, 41_809, 443_216.0),
        ("nexrad-legacy/KBGM20050821_024910.gz", 11, 41_830, 446_241.5),
        ("nexrad-legacy/KBGM20050821_025458.gz", 11, 41_986, 458_812.5),
        ("nexrad-legacy/KBGM20050821_030047.gz", 11, 41_732, 433_842.5),
        ("nexrad-legacy/KBGM20050821_030635.gz", 11, 41_748, 433_341.0),
        ("nexrad/KABR20050101_000745.gz", 7, 2_695, -21_608.5),
        ("nexrad/KLIX20050828_180149.gz", 16, 55_421, 684_896.5),
        ("nexrad/KLOT19950413_132143.gz", 11, 14_698, 59_295.0),
    ] {
        let volume = volume(&data.join("raw").join(name), &ReadOptions::default());
        assert_eq!(volume.sweeps.len(), sweeps, "{name}");
        assert!(name.contains(&volume.site.id) && (29.0..46.0).contains(&volume.site.lat_deg), "{:?}", volume.site);
        let echo = moment(&volume.sweeps[0], &Quantity::Dbzh);
        assert_eq!((echo.first_gate_m, echo.gate_spacing_m), (0.0, 1000.0));
        check(name, echo, (367, 460), count, sum);
    }
    let kbgm = volume(&data.join("raw/nexrad-legacy/KBGM20050821_024323.gz"), &ReadOptions::default());
    check("KBGM V", moment(&kbgm.sweeps[1], &Quantity::Vradh), (367, 920), 108_804, 27_454.5);
    check("KBGM W", moment(&kbgm.sweeps[1], &Quantity::Wradh), (367, 920), 108_804, 358_404.0);
}

#[test]
fn real_time_chunks_make_one_volume() {
    let Some(data) = data() else { return };
    let chunks = chunks(&data);
    let volume = nexrad::read_chunks(&chunks, &ReadOptions::default()).unwrap();
    assert_eq!((volume.site.id.as_str(), volume.site.height_m, volume.sweeps.len()), ("KLOT", 231.0, 21));
    assert_eq!(volume.nominal_time, "2021-07-29T12:38:48.773Z".parse().unwrap());
    let elevations: Vec<f32> = volume.sweeps.iter().map(|s| s.elevation_deg).collect();
    assert_eq!(elevations[..4], [0.483_398_44, 0.483_398_44, 0.878_906_25, 0.878_906_25]);
    assert_eq!(elevations[20], 19.511_719);
    let (first, last) = (&volume.sweeps[0], &volume.sweeps[20]);
    check("KLOT Z", moment(first, &Quantity::Dbzh), (720, 1832), 243_532, 2_026_088.0);
    check("KLOT RHOHV", moment(first, &Quantity::Rhohv), (720, 1192), 234_223, 207_269.569_767);
    check("KLOT V", moment(&volume.sweeps[1], &Quantity::Vradh), (720, 1192), 137_510, -312_115.0);
    assert_eq!(count_and_sum(&moment(last, &Quantity::Dbzh).data), (29_382, -227_510.5));
    let gates = moment(first, &Quantity::Dbzh).data.row(100);
    let near: Vec<_> = (300..303).map(|gate| gates[gate].as_value()).collect();
    assert_eq!(near, [Some(6.5), Some(3.5), Some(3.0)]);
}

#[test]
fn low_sweeps_alone_are_the_same_as_in_the_whole_volume() {
    let Some(data) = data() else { return };
    let chunks = chunks(&data);
    let whole = nexrad::read_chunks(&chunks, &ReadOptions::default()).unwrap();
    let mut expected: Vec<Sweep> = whole.sweeps.into_iter().filter(|s| s.elevation_deg < 0.6).collect();
    for sweep in &mut expected {
        sweep.moments.retain(|m| m.quantity != Quantity::Wradh);
    }
    let low = nexrad::read_chunks(&chunks, &ReadOptions::for_rain(0.6)).unwrap();
    assert_eq!(low.sweeps, expected);
    // A volume in the making: start chunk and two of the first sweep's six.
    let growing = nexrad::read_chunks(&chunks[..3], &ReadOptions::for_rain(0.6)).unwrap();
    assert_eq!(growing.sweeps.iter().map(|s| s.azimuths_deg.len()).collect::<Vec<_>>(), [240]);
    // Prediction fails when chunks are lacking; then all are decoded and the answer is as good.
    let mut gappy = chunks.clone();
    gappy.remove(3);
    let gappy = nexrad::read_chunks(&gappy, &ReadOptions::for_rain(0.6)).unwrap();
    assert_eq!(gappy.sweeps.iter().map(|s| s.azimuths_deg.len()).collect::<Vec<_>>(), [600, 720, 720, 720]);
}

#[test]
fn odim_volumes_hold_what_h5py_reads() {
    let Some(data) = data() else { return };
    let pvol = data.join("raw/odim-pvol");
    let lowest = |file: &str| {
        let volume = volume(&pvol.join(file), &ReadOptions::default());
        let lowest = volume.sweeps.into_iter().min_by(|a, b| a.elevation_deg.total_cmp(&b.elevation_deg));
        (volume.site, lowest.unwrap())
    };
    for (file, id, first_azimuth, first_gate_m, shape, count, sum) in [
        (
            "behel-20200207/20200207130000.rad.behel.pvol.dbzh.scanz.hdf",
            "behel",
            0.5,
            125.0,
            (360, 800),
            58_202,
            186_413.0,
        ),
        ("capflat-20181220/40_20181220_060630.pvol.h5", "AU40", 0.0, 1250.0, (360, 598), 32_238, 519_983.5),
        (
            "sweden-20090501T1200/pvol_seang_20090501T120000Z.h5",
            "SE50",
            0.428_571_43,
            1000.0,
            (420, 120),
            4_970,
            -28_895.998_208,
        ),
        ("single/T_PAZZ43_C_EKMI_20241008073000.h5", "dksin", 0.060_185_5, 750.0, (360, 475), 11_414, 186_572.0),
        ("single/IDR66_20141206_094829.vol.h5", "AU66", 0.0, 125.0, (360, 600), 165_305, 2_024_611.0),
        ("single/bejab.pvol.hdf", "bejab", 0.5, 250.0, (360, 598), 137_540, 2_201_129.5),
    ] {
        let (site, sweep) = lowest(file);
        assert_eq!(site.id, id);
        assert!((sweep.azimuths_deg[0] - first_azimuth).abs() < 1e-4, "{file}: {}", sweep.azimuths_deg[0]);
        let echo = moment(&sweep, &Quantity::Dbzh);
        assert_eq!(echo.first_gate_m, first_gate_m, "{file}");
        check(file, echo, shape, count, sum);
    }
    let (_, capflat) = lowest("capflat-20181220/40_20181220_060630.pvol.h5");
    assert!(capflat.moment(&Quantity::Other("DBZH_CLEAN".into())).is_some());
    check("TH", moment(&capflat, &Quantity::Th), (360, 598), 80_229, 1_659_283.5);
    let gates: Vec<_> = (40..43).map(|gate| moment(&capflat, &Quantity::Dbzh).data[(100, gate)].as_value()).collect();
    assert_eq!(gates, [Some(3.0), Some(10.0), Some(14.5)]);
}

#[test]
fn one_moment_a_file_merges_to_one_volume() {
    let Some(data) = data() else { return };
    let folder = data.join("raw/odim-pvol/behel-20200207");
    let volumes: Vec<_> = files_below(&folder).iter().map(|path| volume(path, &ReadOptions::default())).collect();
    let scans = odim::group_volumes(volumes.clone());
    assert_eq!((volumes.len(), scans.len()), (32, 8));
    for scan in &scans {
        assert_eq!((scan.site.id.as_str(), scan.sweeps.len()), ("behel", 12));
        assert!(scan.sweeps.iter().all(|sweep| sweep.moments.len() == 4));
        assert!(scan.sweeps.is_sorted_by_key(|sweep| sweep.start_time));
    }
    assert_eq!(odim::merge_volumes(volumes[..4].to_vec()).unwrap(), scans[0]);
}

#[test]
fn composites_hold_what_h5py_reads() {
    let Some(data) = data() else { return };
    for (file, cell_km, nodata, count, sum) in [
        ("raw/odim-comp/T_PAAH21_C_EUOC_20180824180000.hdf", 2.0, 2_085_857, 488_154, 304_024.06),
        ("raw/odim-comp/2024-10-08T120000Z-rainfall_rate-composite-opera.h5", 2.0, 2_125_371, 310_585, 250_138.3),
        ("composites/mch_20150515/201505151620.h5", 1.0, 139_984, 78_143, 130_982.16),
        ("composites/knmi_20100826/201008260135.h5", 1.0, 398_271, 72_389, 47_236.08),
        ("composites/fmi_20160928/201609281620.h5", 1.0, 226_844, 286_579, 179_436.99),
        ("composites/bom_20180616/201806161000.h5", 0.5, 0, 27_236, 38_700.0),
    ] {
        let grid = grid(&data.join(file));
        let found = count_and_sum(&grid.data);
        assert_eq!(found.0, count, "{file}");
        assert!((found.1 - sum).abs() <= sum * 1e-6, "{file}: sum {}", found.1);
        assert_eq!(grid.data.iter().filter(|s| s.is_nodata()).count(), nodata, "{file}");
        assert!((grid.grid.cell_km() - cell_km).abs() < 0.002, "{file}: {}", grid.grid.cell_km());
    }
    // The Dutch file counts in kilometres; the middle of its grid is in the Netherlands all the same.
    let knmi = grid(&data.join("composites/knmi_20100826/201008260135.h5"));
    let geo = knmi.grid.georeference().unwrap();
    let (row, column) = geo.cell_of(52.1, 5.18).unwrap();
    assert!((350.0..460.0).contains(&row) && (300.0..400.0).contains(&column), "De Bilt at {row}, {column}");
}

#[test]
fn mosaics_hold_what_eccodes_reads() {
    let Some(data) = data() else { return };
    let rate = grid(&data.join("raw/mrms/PrecipRate_00.00_20190610-000000.grib2"));
    assert_eq!((rate.source.as_str(), rate.quantity), ("mrms", GridQuantity::RainRate));
    assert_eq!(rate.valid_time.to_string(), "2019-06-10T00:00:00Z");
    assert_eq!(
        (rate.grid.left, rate.grid.top, rate.grid.cell_width, rate.grid.cell_height),
        (-130.0, 55.0, 0.01, 0.01)
    );
    assert_eq!(rate.data.dim(), (3500, 7000));
    let nodata = rate.data.iter().filter(|s| s.is_nodata()).count();
    let dry = rate.data.iter().filter(|s| s.is_undetect()).count();
    let (wet, sum) = count_and_sum(&rate.data);
    assert_eq!((nodata, dry, wet), (8_769_493, 14_747_625, 982_882));
    assert!((sum - 2_126_764.0).abs() < 1.0, "{sum}");
    assert_eq!(rate.data[(2191, 4371)].as_value(), Some(148.8));

    let echo = grid(&data.join("raw/mrms/MRMS_ReflectivityAtLowestAltitude_00.50_20230406-120039.grib2.gz"));
    assert_eq!(
        (echo.quantity, echo.valid_time.to_string().as_str()),
        (GridQuantity::Reflectivity, "2023-04-06T12:00:39Z")
    );
    assert_eq!(echo.data.iter().filter(|s| s.is_nodata()).count(), 8_528_048);
    assert_eq!(echo.data[(401, 2701)].as_value(), Some(60.0));
    assert!(echo.data[(1000, 3000)].is_undetect() && echo.data[(0, 0)].is_nodata());
}

#[test]
fn every_raw_file_reads_or_says_what_is_wrong() {
    let Some(data) = data() else { return };
    let mut refused = Vec::new();
    for folder in ["raw/nexrad", "raw/nexrad-legacy", "raw/odim-pvol", "raw/odim-comp", "raw/mrms"] {
        for path in files_below(&data.join(folder)) {
            let (name, bytes) = load(&path);
            if let Err(error) = read(&bytes, &name, &ReadOptions::for_rain(90.0)) {
                refused.push(error.to_string());
            }
        }
    }
    refused.retain(|error| !error.contains("wrad.scanz.hdf: no sweep asked for"));
    let expected = [
        "KNMI-PVOL-Den_Helder.h5: HDF5 object `dataset1/data1/data` cannot be read: HDF5 format error: invalid data layout version: 1",
        "scan_sehuv_0.5_20110126T184500Z.h5: attribute `what/source` is stored as a variable-length string, which cannot be decoded",
        "sehem_pvol_pn215_20190907T081000Z_0x81540b.h5: HDF5 object `dataset1/data7/data` cannot be read: HDF5 format error: filter error: deflate: deflate decompression error",
    ];
    assert_eq!(refused, expected);
    let (name, bytes) = load(&data.join("raw/odim-pvol/odd/sehem_pvol_pn215_20190907T081000Z_0x81540b.h5"));
    let error = read(&bytes, &name, &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("`dataset1/data2/data` cannot be read") && error.contains("deflate"), "{error}");
}
