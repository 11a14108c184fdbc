"""The page: the fleet and the latest values, with nothing that could pass for live when it is not."""
