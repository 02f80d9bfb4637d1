"""Named as code by the definitions beside."""
