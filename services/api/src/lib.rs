//! Public HTTP: point forecasts, tiles, feeds and the map page.
