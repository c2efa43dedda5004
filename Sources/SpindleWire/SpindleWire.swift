// SpindleWire
