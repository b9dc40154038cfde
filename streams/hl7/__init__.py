"""HL7 v2: messages in ER7 (pipes and hats), what they say in native form, and the listener that takes them by MLLP."""
