//! Hosts as processes of their own: they answer room servers elsewhere, and leave no worker behind.
