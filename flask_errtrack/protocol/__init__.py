"""What goes over the wire: envelopes and what is in them, in shape and in size."""
