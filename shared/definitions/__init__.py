"""What a merchant may choose for a connection, read strictly."""
