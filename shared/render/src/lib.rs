//! Colour tables, map tiles, legends and animated GIFs.
