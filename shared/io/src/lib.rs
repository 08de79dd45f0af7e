//! Raw radar files to the model and back: NEXRAD Level II, ODIM_H5, CF-netCDF.
