"""Search: points of a space, drawn or proposed one after another, most of them given up early."""
