"""Running plugins' hooks: order, table, deadlines, failure policy, statistics."""
